"""Entries of ``[[indicators.own]]``: names, what is refused, and the SQL that they make together."""

from pathlib import Path
from typing import Any

import pytest

from candlewave.core.config import Config, ConfigError, load_config
from candlewave.core.errors import CandlewaveError
from candlewave.core.paths import project_root
from candlewave.sqlproject.catalog.constants import Layer
from candlewave.sqlproject.catalog.features import FeatureCatalog
from candlewave.sqlproject.catalog.indicators import Unit, catalog
from candlewave.sqlproject.catalog.kinds import KindError, read_kinds
from candlewave.sqlproject.catalog.own_features import OwnFeatureError
from candlewave.sqlproject.catalog.own_indicators import OwnIndicatorError, OwnIndicators, usual_entries
from candlewave.sqlproject.lint import lint
from candlewave.sqlproject.lint.model import Project
from candlewave.sqlproject.lint.units import PRICE, PURE, QUANTITY, Units
from candlewave.sqlproject.render import render_objects

SQL = project_root() / "sql"
KINDS = read_kinds([SQL])
SHORT = {
    "sma": [], "ema": [], "wma": [], "dema": [], "tema": [], "macd": {"fast": 5, "slow": 6, "signal": 3}, "rsi": 5,
    "stochastic": {"k": 5, "smooth": 2, "d": 2}, "roc": 5, "mom": 5, "williams_r": 5, "atr": 5, "donchian": 5,
    "keltner": {"ema": 5, "atr": 5}, "bollinger": {"period": 5}, "mfi": 5, "cmf": 5, "vwap": 5, "order_flow": 5,
    "realised_volatility": 5,
}  # fmt: skip
"""A short form that leaves the kinds' usual names free."""


def of(*own: dict[str, Any], folders: tuple[Path, ...] = (SQL,)) -> OwnIndicators:
    config = Config.model_validate({"indicators": {**SHORT, "own": list(own)}})
    return OwnIndicators(config, folders)


def names(*own: dict[str, Any]) -> list[str]:
    return [indicator.name for indicator in of(*own).indicators]


def refusal(*own: dict[str, Any], folders: tuple[Path, ...] = (SQL,)) -> str:
    with pytest.raises(CandlewaveError) as caught:
        of(*own, folders=folders).columns  # noqa: B018
    return str(caught.value)


def test_a_column_is_named_after_its_kind_and_all_parameters() -> None:
    assert names({"kind": "rsi", "period": 7}, {"kind": "rsi"}) == ["rsi_7", "rsi_14"]
    assert names({"kind": "stddev", "period": 9, "source": "hl2"}, {"kind": "stddev", "source": "close"}) == [
        "stddev_9_hl2",
        "stddev_20",
    ]
    assert names({"kind": "bollinger", "deviations": 2.5})[:2] == ["bollinger_upper_20_2_5", "bollinger_middle_20_2_5"]
    assert names({"kind": "ultimate", "short": 3, "middle": 5, "long": 9}) == ["ultimate_3_5_9"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "arun"}, "{'kind': 'arun'}: kind is 'arun'; did you mean 'aroon'?"),
        ({"kind": "zzz"}, "kind is 'zzz', expected one of adosc, apo, aroon, "),
        ({"kind": "rsi", "period": 1}, "period is 1, expected a whole number from 2 to 500"),
        ({"kind": "rsi", "period": 7.5}, "period is 7.5, expected a whole number from 2 to 500"),
        ({"kind": "bollinger", "deviations": 11}, "deviations is 11, expected a number from 0.1 to 10"),
        ({"kind": "rsi", "periods": 7}, "has periods, expected are kind, timeframes, source, feature, period"),
        ({"kind": "aroon", "source": "hl2"}, "source is 'hl2', but aroon has no choice of it"),
        ({"kind": "macd", "fast": 30}, "fast = 30, slow = 26, signal = 9, expected fast < slow"),
        ({"kind": "rsi", "period": 5}, "column rsi_5 is there already, of the short form of [indicators]"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named_with_what_is_expected(entry: dict[str, Any], said: str) -> None:
    text = refusal({"kind": "bop"}, entry)

    assert text.startswith("candlewave.toml: indicators.own, entry 2 ")
    assert said.replace("'kind': 'arun'", '"kind": "arun"') in text


def test_two_entries_cannot_make_the_same_column() -> None:
    text = refusal({"kind": "bop", "timeframes": ["1m"]}, {"kind": "bop", "timeframes": ["5m"]})
    assert "entry 2" in text
    assert "column bop is there already, of entry 1; name all timeframes" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "rsi"\ntimeframes = ["2h"]', "entry 1 rsi: timeframe '2h' is not one of candles.timeframes, 1m, 5m"),
        ('kind = "rsi"\nperiod = "x"', "rsi: period is 'x', expected a number"),
        ('kind = "rsi"\nperiod = true', "rsi: period is True, expected a number"),
        ('kind = "rsi"\nsource = "mid"', "indicators.own.0.source"),
    ],
)
def test_what_no_kind_could_take_is_refused_when_the_file_is_read(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "candlewave.toml"
    file.write_text(f"[[indicators.own]]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert said in str(caught.value)


def test_nothing_of_entries_exists_without_one() -> None:
    config = Config()
    assert [o.name for o in render_objects(config, SQL) if o.name.startswith("own_")] == []
    assert Layer(config, (SQL,)).catalog == catalog(config.indicators)


def test_entries_leave_the_objects_of_the_short_form_as_they_are() -> None:
    before = {o.name: o.statement for o in render_objects(Config(), SQL)}
    entry = {"kind": "ema", "period": 9}
    after = {o.name: o.statement for o in render_objects(Config.model_validate({"indicators": {"own": [entry]}}), SQL)}

    added = {"own_indicator_sums", "own_indicator_chunks", "own_indicator_carry", "own_indicators"}
    assert after.keys() - before.keys() == added
    assert [name for name in before if after[name] != before[name]] == ["indicator_catalog"]


def test_windows_alone_need_no_sums() -> None:
    config = Config.model_validate({"indicators": {"own": [{"kind": "stddev"}]}})
    assert [o.name for o in render_objects(config, SQL) if o.name.startswith("own_")] == ["own_indicators"]


def test_equal_steps_of_two_entries_are_computed_once() -> None:
    both = of({"kind": "sma"}, {"kind": "stddev"}, {"kind": "var"})
    assert [name for step in both.steps for name, _ in step] == ["sma_20_total", "stddev_20_squares"]
    assert dict(both.columns)["var_20"].count("sma_20_total") == 2


@pytest.fixture(scope="module")
def every_kind() -> Config:
    """Each kind as a feature, those that can of another price, and one on fewer timeframes."""
    usual = [{"kind": kind, "feature": True} for kind in KINDS]
    priced = [{"kind": kind.name, "source": "hl2"} for kind in KINDS.values() if kind.price]
    own = [*usual, *priced, {"kind": "rsi", "period": 7, "timeframes": ["5m"], "feature": True}]
    return Config.model_validate({"indicators": {**SHORT, "own": own}})


def test_lint_finds_nothing_in_any_kind(every_kind: Config) -> None:
    assert lint(every_kind, SQL) == []


def test_lint_finds_nothing_in_windows_alone() -> None:
    own = [{"kind": e.kind.name} for e in usual_entries(Config(), [SQL]) if e.computed.warm_up is None]
    assert len(own) > 20
    assert lint(Config.model_validate({"indicators": {**SHORT, "own": own}}), SQL) == []


def test_columns_have_the_units_that_headers_say(every_kind: Config) -> None:
    objects = {o.name: o for o in render_objects(every_kind, SQL)}
    resolver = Project(objects, {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}).resolver
    relation, units = resolver.relation("own_indicators"), Units()
    own = OwnIndicators(every_kind, (SQL,)).indicators
    expected = {
        Unit.PRICE: PRICE,
        Unit.DIFFERENCE: PRICE,
        Unit.SQUARE: PRICE.times(PRICE),
        Unit.VOLUME: QUANTITY,
        Unit.TURNOVER: PRICE.times(QUANTITY),
    }
    # The angle is an arc tangent of a price: its header says that it means nothing across markets.
    judged = [i for i in own if "angle" not in i.name]

    found = {i.name: units.of_column(relation, i.name) for i in judged}
    assert found == {i.name: expected.get(i.unit, PURE) for i in judged}


def features(own: list[dict[str, Any]], more: list[dict[str, Any]] | None = None) -> FeatureCatalog:
    said = {"indicators": {**SHORT, "own": own}, "features": {"own": more or []}}
    return FeatureCatalog(Config.model_validate(said), (SQL,))


def test_an_entry_is_a_feature_only_if_it_says_so_and_without_its_unit() -> None:
    own = [{"kind": kind, "feature": True} for kind in ("hma", "stddev", "var", "adosc", "force_index", "rsi")]
    found = {f.name: f for f in features([*own, {"kind": "roc"}]).of_bars if f.of_entry}

    assert {name: f.value for name, f in found.items()} == {
        "hma_16_gap": "(close - hma_16) / nullif(atr_5, 0)",
        "stddev_20": "(stddev_20) / nullif(atr_5, 0)",
        "var_20": "(var_20) / nullif(atr_5 * atr_5, 0)",
        "adosc_3_10": "(adosc_3_10) / nullif(volume_sum / 20, 0)",
        "force_index_13": "(force_index_13) / nullif(atr_5 * volume_sum / 20, 0)",
        "rsi_14": "rsi_14",
    }
    assert (found["rsi_14"].neutral, found["rsi_14"].range, found["rsi_14"].needs) == (50, "0 to 100", 42)


def test_features_of_entries_are_of_their_timeframes() -> None:
    catalogue = features(
        [{"kind": "rsi", "timeframes": ["5m", "1h"], "feature": True}, {"kind": "bop", "feature": True}]
    )
    of_entries = [f.name for f in catalogue.columns if f.name.startswith(("rsi_14", "bop"))]
    assert of_entries == ["bop_1m", "rsi_14_5m", "bop_5m", "bop_15m", "rsi_14_1h", "bop_1h"]


def test_an_own_feature_may_read_an_entry_on_its_timeframes() -> None:
    own = [{"kind": "rsi", "timeframes": ["1m", "5m"]}]
    more = {"name": "calm", "sql": "(rsi_14 - 50) / 50", "range": "-1..1", "longer": True}
    catalogue = features(own, [more])

    assert catalogue.reads_entries
    assert [f.name for f in catalogue.columns if f.name.startswith("calm")] == ["calm_1m", "calm_5m"]


def test_an_own_feature_without_any_column_is_refused() -> None:
    more = {"name": "calm", "sql": "(rsi_14 - 50) / 50", "range": "-1..1"}
    with pytest.raises(OwnFeatureError, match="calm: it would have no column; rsi_14 is computed of other"):
        features([{"kind": "rsi", "timeframes": ["5m"]}], [more]).of_bars  # noqa: B018


def test_the_angle_of_a_line_is_no_feature() -> None:
    names = [f.name for f in features([{"kind": "linearreg", "feature": True}]).of_bars if f.of_entry]
    assert names == ["linearreg_14_gap", "linearreg_slope_14", "linearreg_r2_14", "linearreg_forecast_14_gap"]


GOOD = """-- range: highest high less lowest low.
-- source: mine
-- parameters:
--   period = 7, 2 to 500: bars
-- bars: {{ period }}
-- null: never
-- columns:
--   range: difference; highest high less lowest low of {{ period }}
WITH extremes AS (
    SELECT *, max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN {{ period - 1 }} PRECEDING AND CURRENT ROW) AS highest
    FROM bars
)
SELECT highest - low AS range
FROM extremes
"""  # noqa: E501


def kind_of_ones_own(folder: Path, text: str = GOOD, name: str = "range") -> tuple[Path, ...]:
    (folder / "indicators").mkdir()
    (folder / "indicators" / f"{name}.sql.j2").write_text(text)
    return SQL, folder


def test_a_project_adds_a_kind_with_one_file(tmp_path: Path) -> None:
    folders = kind_of_ones_own(tmp_path)
    own = of({"kind": "range", "period": 9}, folders=folders)

    assert [i.name for i in own.indicators] == ["range_9"]
    rendered = {o.name: o.text for o in render_objects(own.config, *folders)}
    assert "range_9_highest - low" in rendered["own_indicators"]
    assert lint(own.config, *folders) == []


def test_a_project_s_kind_takes_the_place_of_ours(tmp_path: Path) -> None:
    folders = kind_of_ones_own(tmp_path, GOOD.replace("range", "donchian"), "donchian")
    assert [i.source for i in of({"kind": "donchian", "period": 9}, folders=folders).indicators] == ["mine"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- range: ", "-- reach: ", "the header does not begin with `-- range: `"),
        ("-- null: never\n", "", "the header lacks null"),
        ("period = 7, 2 to 500: bars", "period = 7", "is not of the form `name = default, least to greatest: meaning`"),
        ("range: difference;", "range: metres;", "units are price, bounded, ratio, volume, difference"),
        ("-- bars: {{ period }}", "-- bars: some", "'some' is not a number of bars"),
        ("AS range", "AS reach", "the last SELECT has other columns than the header"),
        ("FROM extremes", "FROM bars", "EXTREMES is expected, not 'bars'"),
        ("SELECT *, max", "SELECT max", "* is expected, not 'max'"),
        ("FROM extremes", "FROM extremes WHERE true", "nothing can follow FROM extremes"),
        ("highest - low AS", "highest - low", "a column without `AS name`"),
        ("AS highest", "AS close", "close is there already"),
        ("{{ period - 1 }}", "{{ periods }}", "'periods' is undefined"),
    ],
)
def test_a_file_that_is_no_kind_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    text = refusal({"kind": "range"}, folders=kind_of_ones_own(tmp_path, GOOD.replace(old, new, 1)))
    assert said in text
    assert "range.sql.j2" in text


def test_errors_are_of_kinds_that_commands_show() -> None:
    assert issubclass(OwnIndicatorError, CandlewaveError)
    assert issubclass(KindError, CandlewaveError)
