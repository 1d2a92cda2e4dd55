"""Each rule at both sides of its threshold, and when there is too little to tell."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from scripts.monitor_rules import PAGE, page

from candlewave import rules
from candlewave.core.config import Config, ConfigError, load_config
from candlewave.core.paths import project_root
from candlewave.rules import RUNBOOKS, MonitorConfig, judge, monitor_config, summary
from candlewave.rules.base import Finding
from candlewave.rules.readings import (
    DriftRow,
    ErrorRow,
    EvidenceRow,
    MarketAge,
    MarketPace,
    Readings,
    Standing,
    Subject,
)

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CLOSED = NOON + timedelta(minutes=5)
NOW = CLOSED + timedelta(seconds=30)
HOUR = timedelta(hours=1)
CHAMPION = Subject("candlewave", "3", 5)
BASELINE = Subject("baseline", "1", 5)
CONFIG = MonitorConfig(min_forecasts=30, error_windows=2, psi_windows=2)


def row(
    back: float = 1,
    *,
    subject: Subject = CHAMPION,
    span: str = "1h",
    symbol: str = "BTC/USD",
    mae: float = 1.0,
    skill: float | None = 0.1,
    interval: float | None = 0.1,
    forecasts: int = 60,
) -> ErrorRow:
    """A row of the hour that began ``back`` hours before noon."""
    return ErrorRow("kraken", symbol, subject, span, NOON - back * HOUR, forecasts, mae, mae, 0.0, 0.8, skill, interval)


def readings(errors: Iterable[ErrorRow] = (), **more: object) -> Readings:
    base: dict[str, object] = {
        "now": NOW,
        "closed_until": CLOSED,
        "champion": CHAMPION[:2],
        "champion_since": NOW - HOUR,
        "served": frozenset({CHAMPION}),
        "errors": list(errors),
    }
    return Readings(**{**base, **more})  # type: ignore[arg-type]


def only(rule: ModuleType, found: Readings, config: MonitorConfig = CONFIG) -> Finding:
    (finding,) = rule.judge(found, config)
    return finding


@pytest.mark.parametrize(
    ("hourly", "holds"),
    [([3.0, 3.0], True), ([3.0, 2.4], False), ([2.4, 3.0], False), ([3.0], None), ([], None)],
)
def test_error_must_be_high_against_the_week_for_hours(hourly: Sequence[float], holds: bool | None) -> None:
    rows = [row(span="7d", mae=1.0), *(row(back, mae=mae) for back, mae in enumerate(reversed(hourly), 1))]
    finding = only(rules.model_error, readings(rows))
    assert finding.holds is holds
    if holds:
        assert finding.value == 3.0
        assert finding.training
        assert finding.labels == {"model_name": "candlewave", "model_version": "3", "horizon_minutes": "5"}


def test_markets_weigh_by_their_forecasts_and_each_against_its_own_week() -> None:
    """A market of large moves does not drown the others: 100 times its usual 100 is no error at all."""
    rows = [
        row(span="7d", mae=100.0),
        row(span="7d", symbol="ETH/USD", mae=1.0),
        *(row(back, mae=100.0, forecasts=40) for back in (1, 2)),
        *(row(back, symbol="ETH/USD", mae=5.0, forecasts=20) for back in (1, 2)),
    ]
    finding = only(rules.model_error, readings(rows))
    assert finding.value == pytest.approx((40 + 100) / 60)
    assert finding.holds is False
    assert finding.evidence["worst_markets"] == {"kraken ETH/USD": 5.0, "kraken BTC/USD": 1.0}


def test_the_newest_week_counts_and_one_without_any_error_is_left_out() -> None:
    """Of a market that stood still all week no error can be told in shares of the usual one."""
    rows = [
        row(2, span="7d", mae=100.0),
        row(1, span="7d", mae=1.0),
        row(1, span="24h", mae=50.0),
        row(span="7d", symbol="USDT/USD", mae=0.0),
        *(row(back, mae=3.0) for back in (1, 2)),
        *(row(back, symbol="USDT/USD", mae=1.0) for back in (1, 2)),
    ]
    finding = only(rules.model_error, readings(rows))
    assert (finding.holds, finding.value) == (True, 3.0)
    assert finding.evidence["worst_markets"] == {"kraken BTC/USD": 3.0}


def test_the_threshold_itself_is_not_above_it() -> None:
    rows = [row(span="7d", mae=1.0), *(row(back, mae=CONFIG.error_ratio) for back in (1, 2))]
    assert only(rules.model_error, readings(rows)).holds is False


def test_an_hour_of_few_forecasts_tells_nothing() -> None:
    rows = [row(span="7d"), row(1, mae=9.0), row(2, mae=9.0, forecasts=29)]
    assert only(rules.model_error, readings(rows)).holds is None


@pytest.mark.parametrize(("until", "holds"), [(CLOSED, False), (CLOSED - timedelta(minutes=1), True)])
def test_an_hour_counts_when_its_last_forecast_has_an_outcome(until: datetime, holds: bool) -> None:
    """The forecast of 11:59, five minutes ahead, is judged by the candle that closes at 12:05."""
    rows = [row(span="7d"), row(1, mae=0.1), row(2, mae=9.0), row(3, mae=9.0)]
    assert only(rules.model_error, readings(rows, closed_until=until)).holds is holds


def evidence(
    hits: int = 48, point: float = -30.0, interval: float = -5.0, *, hours: int = 10, subject: Subject = CHAMPION
) -> list[EvidenceRow]:
    """Hours of sixty units each in two markets; good ones unless said otherwise."""
    return [
        EvidenceRow("kraken", symbol, subject, NOON - back * HOUR, 60, hits, 60, point, 60.0, 60, interval, 10.0)
        for symbol in ("BTC/USD", "ETH/USD")
        for back in range(1, hours + 1)
    ]


@pytest.mark.parametrize(
    ("rule", "good", "between", "bad"),
    [
        (rules.coverage, {"hits": 48}, {"hits": 38, "hours": 2}, {"hits": 30}),
        (rules.coverage, {"hits": 50}, {"hits": 57, "hours": 2}, {"hits": 60}),
        (rules.point_skill, {"point": 0.0}, {"point": 25.0, "hours": 2}, {"point": 30.0}),
        (rules.interval_skill, {"interval": 0.0}, {"interval": 20.0, "hours": 1}, {"interval": 10.0}),
    ],
)
def test_evidence_is_an_alarm_none_or_neither(
    rule: ModuleType, good: dict[str, int], between: dict[str, int], bad: dict[str, int]
) -> None:
    found = {
        name: only(rule, readings(evidence=evidence(**given)))
        for name, given in (("good", good), ("between", between), ("bad", bad))
    }
    assert {name: finding.holds for name, finding in found.items()} == {"good": False, "between": None, "bad": True}
    assert only(rule, readings()).holds is None, "nothing measured"
    assert found["bad"].training


def test_skill_is_told_of_the_last_day_with_the_markets_that_lack_it() -> None:
    rows = [
        row(span="24h", skill=-0.1),
        row(span="24h", symbol="ETH/USD", skill=-0.4),
        row(span="24h", symbol="ADA/USD", skill=None),
    ]
    finding = only(rules.point_skill, readings(rows, evidence=evidence(point=30.0)))
    assert (finding.holds, finding.value) == (True, pytest.approx(-0.25))
    assert finding.evidence["worst_markets"] == {"kraken ETH/USD": 0.4, "kraken BTC/USD": 0.1}


def test_evidence_names_the_market_that_it_is_against() -> None:
    good = [r for r in evidence() if r.symbol == "ETH/USD"]
    bad = [r for r in evidence(hits=20) if r.symbol == "BTC/USD"]
    finding = only(rules.coverage, readings(evidence=good + bad))
    assert finding.holds
    of_markets = finding.evidence["evidence_of_markets"]
    assert isinstance(of_markets, dict)
    assert list(of_markets) == ["kraken BTC/USD", "kraken ETH/USD"]
    assert of_markets["kraken ETH/USD"] < 5


def test_coverage_is_told_with_the_markets_furthest_from_it() -> None:
    days = [
        ErrorRow("kraken", symbol, CHAMPION, "24h", NOON - HOUR, 60, 1.0, 1.0, 0.0, covered, 0.1, 0.1)
        for symbol, covered in (("BTC/USD", 0.7), ("ETH/USD", 0.3), ("ADA/USD", 0.95))
    ]
    finding = only(rules.coverage, readings(days, evidence=evidence(hits=30)))
    worst = finding.evidence["worst_markets"]
    assert isinstance(worst, dict)
    assert list(worst) == ["kraken ETH/USD", "kraken ADA/USD", "kraken BTC/USD"]
    assert list(worst.values()) == pytest.approx([0.5, 0.15, 0.1])


def test_a_baseline_has_no_skill_to_lose() -> None:
    rows = evidence(point=60.0, interval=60.0, subject=BASELINE)
    served = readings(served=frozenset({BASELINE}), evidence=rows)
    assert list(rules.point_skill.judge(served, CONFIG)) == []
    assert list(rules.interval_skill.judge(served, CONFIG)) == []


def test_trouble_of_a_baseline_is_told_and_asks_for_no_training() -> None:
    """A training leaves the baseline as it is: the request would come again for ever."""
    rows = [row(span="7d", subject=BASELINE), *(row(back, subject=BASELINE, mae=3.0) for back in (1, 2))]
    found = readings(rows, served=frozenset({BASELINE}), evidence=evidence(hits=30, subject=BASELINE))
    for rule in (rules.model_error, rules.coverage):
        finding = only(rule, found)
        assert (finding.holds, finding.training) == (True, False)
    assert only(rules.coverage, readings(evidence=evidence(hits=30))).training


def test_versions_that_are_not_served_are_not_judged() -> None:
    rows = evidence(point=60.0, subject=Subject("candlewave", "9", 5))
    assert only(rules.point_skill, readings(evidence=rows)).holds is None


def drift(by_feature: dict[str, Sequence[float]], version: str = "3") -> Readings:
    """Indices by feature, of the newest hour first."""
    return readings(
        drift=[
            DriftRow(version, feature, NOON - back * HOUR, psi, psi)
            for feature, psis in by_feature.items()
            for back, psi in enumerate(psis, 1)
        ]
    )


def test_drift_is_of_half_the_features_and_must_last() -> None:
    bad = drift({"a": (0.3, 0.3), "b": (0.21, 0.22), "c": (0.0, 0.0)})
    finding = only(rules.feature_drift, bad)
    assert (finding.holds, finding.value) == (True, 0.21)
    assert finding.evidence["worst_features"] == {"a": 0.3, "b": 0.21, "c": 0.0}
    assert only(rules.feature_drift, drift({"a": (9.0, 9.0), "b": (0.1, 0.1), "c": (0.0, 0.0)})).holds is False
    assert only(rules.feature_drift, drift({"a": (0.3, 0.2, 0.3)})).holds is False
    assert only(rules.feature_drift, drift({"a": (0.3,)})).holds is None
    assert only(rules.feature_drift, drift({"a": (0.3, 0.3)}, version="2")).holds is None


def test_a_model_grows_old() -> None:
    assert only(rules.stale_model, readings(champion_since=NOW - 336 * HOUR)).holds is False
    assert only(rules.stale_model, readings(champion_since=NOW - 337 * HOUR)).holds is True
    assert only(rules.stale_model, readings(champion_since=None)).holds is None
    assert list(rules.stale_model.judge(readings(champion=None), CONFIG)) == []


@pytest.mark.parametrize(
    ("since", "forecast", "holds"),
    [(60, 5, False), (60, 6, True), (60, None, True), (5, None, False), (5, 90, False)],
)
def test_a_champion_is_silent_while_the_baseline_forecasts(since: int, forecast: int | None, holds: bool) -> None:
    """Minutes before the baseline's newest forecast; one that was promoted just now has had no time yet."""
    minute = timedelta(minutes=1)
    newest = None if forecast is None else NOON - forecast * minute
    standing = Standing("candlewave", "3", NOON - since * minute, newest, NOON)
    finding = only(rules.silent_champion, readings(standing=standing))
    assert finding.holds is holds
    assert finding.training
    assert finding.labels == {"model_name": "candlewave", "model_version": "3"}


def test_without_a_promotion_no_champion_is_silent() -> None:
    assert list(rules.silent_champion.judge(readings(), CONFIG)) == []
    standing = Standing("candlewave", "3", NOON, None, None)
    assert only(rules.silent_champion, readings(standing=standing)).holds is None


def test_markets_are_judged_by_exchange() -> None:
    minute = timedelta(minutes=1)
    markets = [
        MarketAge("kraken", "BTC/USD", CLOSED - minute, CLOSED - minute),
        MarketAge("kraken", "ETH/USD", CLOSED - 20 * minute, CLOSED - 20 * minute),
        MarketAge("binance", "BTC/USDT", CLOSED - minute, CLOSED - 8 * minute),
    ]
    ages = {v.labels["exchange"]: v for v in rules.stale_features.judge(readings(markets=markets), CONFIG)}
    assert (ages["kraken"].holds, ages["kraken"].value) == (True, 19 * 60 + 30)
    assert ages["kraken"].evidence["symbols"] == {"ETH/USD": 1170.0}
    assert ages["binance"].holds is False
    behind = {v.labels["exchange"]: v for v in rules.stale_forecasts.judge(readings(markets=markets), CONFIG)}
    assert behind["kraken"].holds is False
    assert (behind["binance"].holds, behind["binance"].value) == (True, 420.0)


def test_a_market_that_never_had_a_forecast_is_not_behind() -> None:
    markets = [MarketAge("kraken", "BTC/USD", CLOSED, None)]
    assert list(rules.stale_forecasts.judge(readings(markets=markets), CONFIG)) == []


@pytest.mark.parametrize(
    ("usual", "pauses", "silent_minutes", "holds"),
    [
        (60.0, 42, 4.9, False),  # trades every minute: five minutes is the shortest silence
        (60.0, 42, 5.1, True),
        (3_600.0, 42, 170, False),  # trades every hour: not silent before three hours are over
        (3_600.0, 42, 190, True),
        (60.0, 11, 600, None),  # too few pauses are known
        (None, 0, 600, None),
    ],
)
def test_a_market_is_silent_against_its_own_pace(
    usual: float | None, pauses: int, silent_minutes: float, holds: bool | None
) -> None:
    paces = [MarketPace("kraken", "BTC/USD", NOW - timedelta(minutes=silent_minutes), usual, pauses)]
    found = list(rules.silent_markets.judge(readings(paces=paces), CONFIG))
    assert [finding.holds for finding in found] == ([] if holds is None else [holds])


def test_silent_markets_of_an_exchange_are_one_alert() -> None:
    paces = [
        MarketPace("kraken", symbol, NOW - timedelta(minutes=silent), 60.0, 42)
        for symbol, silent in (("BTC/USD", 1), ("ETH/USD", 9), ("SOL/USD", 30))
    ]
    finding = only(rules.silent_markets, readings(paces=paces))
    assert finding.value == 1_800
    assert finding.evidence["symbols"] == {"SOL/USD": 1_800, "ETH/USD": 540}
    assert finding.evidence["threshold_seconds"] == {"SOL/USD": 300, "ETH/USD": 300}
    assert summary(finding.rule, finding.labels, finding.value) == (
        "kraken: no trade for 30 min, far longer than usual"
    )


@pytest.mark.parametrize(("judged", "amended", "holds"), [(100, 6, True), (100, 5, False), (29, 29, None)])
def test_share_of_amended_inputs(judged: int, amended: int, holds: bool | None) -> None:
    assert only(rules.amended_inputs, readings(judged=judged, amended=amended)).holds is holds


def test_every_finding_has_words_of_its_own() -> None:
    found = readings(
        [row(span="7d"), *(row(back) for back in (1, 2, 3))],
        evidence=evidence(hits=60),
        drift=[DriftRow("3", "rsi_14_1m", NOON - back * HOUR, 0.3, 0.4) for back in (1, 2)],
        judged=100,
        markets=[MarketAge("kraken", "BTC/USD", CLOSED, CLOSED)],
        standing=Standing("candlewave", "3", NOON - HOUR, None, NOON),
        paces=[MarketPace("kraken", "BTC/USD", NOON, 60.0, 42)],
    )
    findings = judge(found, CONFIG)
    assert len({v.rule for v in findings}) == len(rules.RULES)
    for finding in findings:
        text = summary(finding.rule, finding.labels, finding.value)
        assert not text.startswith(finding.rule), text
        assert (project_root() / RUNBOOKS / f"{finding.rule}.md").is_file()
        assert all(value in text for value in finding.labels.values()), text


def test_nothing_read_raises_nothing() -> None:
    assert all(not finding.holds for finding in judge(Readings(NOW, CLOSED), CONFIG))


def test_the_page_lists_the_rules_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(PAGE.read_text(encoding="utf-8")), "run: make docs-rules"


@pytest.mark.parametrize(
    ("table", "text"),
    [({"error_ratio": 1}, "error_ratio: Input should be greater than 1"), ({"eror_ratio": 2.0}, "eror_ratio: Extra")],
)
def test_a_wrong_threshold_is_named(table: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=f"table monitor: {text}"):
        monitor_config(Config(monitor=table))


def test_the_shipped_thresholds_are_those_of_the_rules() -> None:
    assert monitor_config(load_config()) == MonitorConfig()
