"""What the routes answer, compared with the engine's own rows."""

import time
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import BaseModel
from tests.integration.services.api.conftest import MARKET, Serve
from tests.worlds.site import World

from candlewave.contracts import api as schemas
from candlewave.sqlproject.served import ServedView

HISTORY = {**MARKET, "horizon_minutes": "5"}


def get(api: httpx.Client, path: str, **parameters: str) -> dict[str, Any]:
    answer = api.get(f"/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_columns_of_entries_stand_beside_those_of_the_short_form(api: httpx.Client) -> None:
    catalogue = {row["name"]: row["entry"] for row in get(api, "indicators/catalog")["data"]}
    assert [name for name, entry in catalogue.items() if entry] == ["bop", "ppo_3_5"]

    every, some = (
        get(api, "indicators", **MARKET, limit="5"),
        get(api, "indicators", **MARKET, names="bop,rsi_14", limit="5"),
    )

    assert every["data"][0]["values"].keys() == catalogue.keys()
    assert [row["values"] for row in some["data"]] == [
        {name: row["values"][name] for name in ("bop", "rsi_14")} for row in every["data"]
    ]
    assert all(row["values"]["ppo_3_5"] is not None for row in every["data"])


@pytest.mark.parametrize(
    ("path", "parameters", "model", "filled"),
    [
        ("about", {}, schemas.About, None),
        ("symbols", {}, schemas.Markets, 2),
        ("freshness", {}, schemas.Freshness, 6),
        ("candles", MARKET, schemas.Candles, 200),
        ("candles", {**MARKET, "timeframe": "1h"}, schemas.Candles, 12),
        ("indicators", {**MARKET, "limit": "3"}, schemas.Indicators, 3),
        ("indicators/catalog", {}, schemas.IndicatorCatalog, 40),
        ("features", {**MARKET, "limit": "3"}, schemas.Features, 3),
        ("features/catalog", {}, schemas.FeatureCatalog, 80),
        ("predictions/latest", {}, schemas.LatestForecasts, 8),
        ("predictions", HISTORY, schemas.PastForecasts, 60),
        ("performance", {}, schemas.Performances, 1),
        ("performance/history", {**HISTORY, "span": "1h"}, schemas.PerformanceHistory, 1),
        ("models", {}, schemas.Models, 2),
        ("sentiment", {"asset": "BTC"}, schemas.Sentiment, 1),
        ("sentiment/headlines", {"asset": "BTC"}, schemas.Headlines, 3),
        ("alerts", {}, schemas.Alerts, 1),
        ("views", {}, schemas.Views, 2),
        ("views/signals", {**MARKET, "timeframe": "5m", "limit": "3"}, schemas.ViewRows, 3),
        ("views/market_clock", {}, schemas.ViewRows, 1),
    ],
)
def test_answers_have_the_documented_form_and_are_not_empty(
    api: httpx.Client, path: str, parameters: dict[str, str], model: type[BaseModel], filled: int | None
) -> None:
    answer = get(api, path, **parameters)
    model.model_validate(answer)
    if filled is not None:
        assert len(answer["data"]) >= filled


@pytest.mark.parametrize(
    ("symbol", "written", "base", "quote", "kind"),
    [
        ("币安人生/USDT", "币安人生-USDT", "币安人生", "USDT", "spot"),
        ("BTC/USDT:USDT", "btc-usdt:usdt", "BTC", "USDT", "swap"),
        ("BTC/USD:BTC-261225", "BTC/USD:BTC-261225", "BTC", "USD", "future"),
    ],
)
def test_contracts_and_names_in_other_scripts_are_markets(
    api: httpx.Client, world: World, symbol: str, written: str, base: str, quote: str, kind: str
) -> None:
    world.market.conn.execute("INSERT INTO symbols VALUES ('elsewhere', %s, %s, %s, %s)", [symbol, base, quote, kind])
    try:
        deadline = time.monotonic() + 10  # the list of markets is kept for a second
        while not (found := [m for m in get(api, "symbols")["data"] if m["symbol"] == symbol]):
            assert time.monotonic() < deadline
        (listed,) = found
        answer = get(api, "candles", exchange="elsewhere", symbol=written)
        assert (answer["symbol"], answer["data"]) == (symbol, [])
        assert (listed["id"], listed["base"], listed["kind"]) == (symbol.replace("/", "-", 1), base, kind)
        assert get(api, "candles", exchange="elsewhere", symbol=listed["id"])["symbol"] == symbol
    finally:
        world.market.conn.execute("DELETE FROM symbols WHERE exchange = 'elsewhere'")


@pytest.mark.parametrize(
    ("path", "parameters", "key"),
    [
        ("candles", MARKET, ("open_time",)),
        ("candles", {**MARKET, "timeframe": "5m"}, ("open_time",)),
        ("indicators", {**MARKET, "names": "rsi_14"}, ("open_time",)),
        ("features", {**MARKET, "names": "rsi_14_1m"}, ("open_time",)),
        ("predictions", HISTORY, ("feature_time",)),
        ("predictions", {**HISTORY, "role": "all"}, ("feature_time", "model_name", "model_version")),
        ("sentiment", {"asset": "BTC"}, ("minute",)),
        ("sentiment/headlines", {"asset": "BTC"}, ("scored_at", "article_id")),
        ("alerts", {"status": "all"}, ("occurred_at", "fingerprint")),
    ],
)
def test_pages_bring_every_row_once_newest_first(
    api: httpx.Client, path: str, parameters: dict[str, str], key: tuple[str, ...]
) -> None:
    whole = get(api, path, **parameters, limit="1000")
    assert whole["next_cursor"] is None
    rows = [tuple(row[name] for name in key) for row in whole["data"]]
    assert rows == sorted(set(rows), reverse=True)
    paged: list[tuple[str, ...]] = []
    size = max(1, len(rows) // 4)
    cursor: dict[str, str] = {}
    while True:
        page = get(api, path, **parameters, **cursor, limit=str(size))
        assert len(page["data"]) <= size
        paged += [tuple(row[name] for name in key) for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    if path == "candles":  # the open bar may have come into being between two pages
        paged, rows = [r for r in paged if r in rows], [r for r in rows if r in paged]
    assert paged == rows


def test_candles_are_those_of_the_view(api: httpx.Client, world: World) -> None:
    wanted = world.market.conn.execute(
        "SELECT open_time, open, high, low, close, trades FROM candles WHERE symbol = 'BTC/USD' AND timeframe = '15m'"
        " ORDER BY open_time DESC LIMIT 5"
    ).fetchall()
    found = get(api, "candles", **MARKET, timeframe="15m", limit="5", include_open="false")["data"]
    assert [(_time(r["open_time"]), r["open"], r["high"], r["low"], r["close"], r["trades"]) for r in found] == wanted
    assert not any(row["is_open"] for row in found)


def test_open_bars_are_marked_and_know_no_more_than_they_can(api: httpx.Client) -> None:
    first, second = get(api, "candles", **MARKET, timeframe="1h", limit="2")["data"]
    assert (first["is_open"], first["is_filled"], first["feed_state"]) == (True, None, None)
    assert second["is_open"] is False


def test_pages_of_a_view_bring_every_row_once_newest_first(api: httpx.Client, world: World) -> None:
    wanted = {"timeframe": "15m", "limit": "7"}
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = get(api, "views/signals", **wanted, **cursor)
        found += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    rows = world.market.conn.execute(
        "SELECT exchange, symbol, open_time, signal FROM signals WHERE timeframe = '15m'"
        " ORDER BY open_time DESC, exchange DESC, symbol DESC"
    ).fetchall()
    assert len(rows) > 20
    seen = [(r["exchange"], r["symbol"], datetime.fromisoformat(r["open_time"]), r["signal"]) for r in found]
    assert seen == rows


def test_a_view_is_narrowed_by_what_it_has(api: httpx.Client, serve: Serve) -> None:
    newest = get(api, "views/signals", **MARKET, timeframe="5m", limit="1")["data"][0]
    assert (newest["symbol"], newest["timeframe"]) == ("BTC/USD", "5m")
    before = get(api, "views/signals", **MARKET, timeframe="5m", limit="1", to=newest["open_time"])["data"][0]
    assert before["open_time"] < newest["open_time"]
    for path, parameters, status, words in (
        ("market_clock", {"timeframe": "5m"}, 400, "market_clock has no column timeframe"),
        ("market_clock", {"from": "2024-01-01T00:00:00Z"}, 400, "market_clock has no event time"),
        ("signal", {}, 404, "Nearest: signals"),
        ("trades", {}, 404, "There is no view trades"),
    ):
        answer = api.get(f"/v1/views/{path}", params=parameters)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    none = serve(views=dict)
    assert get(none, "views") == {"data": []}


def test_a_view_that_is_not_migrated_yet_says_so(serve: Serve) -> None:
    missing = {"later": ServedView("later", "", "", ("exchange",), None, {"exchange": None})}
    answer = serve(views=lambda: missing).get("/v1/views/later")
    assert (answer.status_code, "candlewave migrate" in answer.json()["detail"]) == (503, True)


def test_times_bound_a_page(api: httpx.Client) -> None:
    newest = get(api, "candles", **MARKET, include_open="false", limit="10")["data"]
    begin, end = newest[7]["open_time"], newest[2]["open_time"]
    found = get(api, "candles", **MARKET, **{"from": begin, "to": end})["data"]
    assert [row["open_time"] for row in found] == [row["open_time"] for row in newest[3:8]]


def test_served_forecasts_are_the_champions_where_it_serves(api: httpx.Client) -> None:
    data = get(api, "predictions/latest", **MARKET)["data"]
    assert {row["horizon_minutes"]: row["role"] for row in data} == {
        1: "champion",
        5: "champion",
        15: "baseline",
        60: "baseline",
    }
    for row in data:
        # This champion says what the baseline says: no part of it is its own.
        assert (row["median_by"], row["interval_by"]) == ("baseline", "baseline")
        assert row["price_q10"] <= row["price_q50"] <= row["price_q90"]
        assert _time(row["target_time"]) - _time(row["feature_time"]) == timedelta(minutes=row["horizon_minutes"] + 1)
        assert row["is_due"] == (_time(row["target_time"]) <= datetime.now(_time(row["target_time"]).tzinfo))


def test_past_forecasts_have_their_outcomes(api: httpx.Client, world: World) -> None:
    rows = get(api, "predictions", **HISTORY, limit="200")["data"]
    assert rows[0]["outcome"] is None
    judged = [row for row in rows if row["outcome"]]
    assert judged
    wanted = world.market.conn.execute(
        "SELECT realised_price, is_covered FROM prediction_outcomes WHERE symbol = 'BTC/USD' AND horizon_minutes = 5"
        " AND role = 'champion' AND feature_time = %s",
        [judged[0]["feature_time"]],
    ).fetchone()
    assert (judged[0]["outcome"]["realised_price"], judged[0]["outcome"]["is_covered"]) == wanted


@pytest.mark.parametrize(
    ("role", "found"),
    [
        ("served", {"champion"}),
        ("champion", {"champion"}),
        ("baseline", {"baseline"}),
        ("all", {"champion", "baseline"}),
    ],
)
def test_roles_of_past_forecasts(api: httpx.Client, role: str, found: set[str]) -> None:
    assert {row["role"] for row in get(api, "predictions", **HISTORY, role=role)["data"]} == found


def test_performance_can_be_narrowed(api: httpx.Client) -> None:
    data = get(api, "performance", **HISTORY, span="24h", model_name="candlewave")["data"]
    assert {(r["symbol"], r["horizon_minutes"], r["span"], r["model_name"]) for r in data} == {
        ("BTC/USD", 5, "24h", "candlewave")
    }


def test_amended_share_is_of_the_forecasts_of_the_window(world: World, serve: Serve) -> None:
    conn = world.market.conn
    newest = conn.execute("SELECT date_trunc('hour', closed_until) FROM furthest_clock").fetchone()
    assert newest is not None
    key = ("simulated", "BTC/USD", 5, "amended", "1")
    columns = "exchange, symbol, horizon_minutes, model_name, model_version"
    try:
        for span, forecasts in (("1h", 10), ("24h", 100), ("7d", 1000)):
            conn.execute(
                f"INSERT INTO model_error ({columns}, span, hour, forecasts) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",  # type: ignore[arg-type]
                [*key, span, newest[0], forecasts],
            )
        for hours_before, forecasts in ((0, 3), (1, 2), (23, 4), (24, 8), (167, 16), (168, 100)):
            conn.execute(
                f"INSERT INTO amended_hours ({columns}, hour, forecasts) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [*key, newest[0] - timedelta(hours=hours_before), forecasts],
            )
        api = serve()
        standing = get(api, "performance", **HISTORY, model_name="amended")["data"]
        assert {row["span"]: row["amended_share"] for row in standing} == {"1h": 0.3, "24h": 0.09, "7d": 0.033}
        for row in standing:
            history = get(api, "performance/history", **HISTORY, span=row["span"], model_name="amended")["data"]
            assert history == [row]
    finally:
        for view in ("model_error", "amended_hours"):
            conn.execute(f"DELETE FROM {view} WHERE model_name = 'amended'")


def test_past_forecasts_say_whether_their_inputs_were_amended(world: World, serve: Serve) -> None:
    rows = get(serve(), "predictions", **HISTORY)["data"]
    due = [row for row in rows if row["outcome"] is not None]
    conn = world.market.conn
    amended = datetime.fromisoformat(due[3]["feature_time"])
    conn.execute(
        "UPDATE input_amendments SET inputs_amended = true WHERE symbol = 'BTC/USD' AND feature_time = %s", [amended]
    )
    try:
        found = [r for r in get(serve(), "predictions", **HISTORY)["data"] if r["outcome"] is not None]
    finally:
        conn.execute(
            "UPDATE input_amendments SET inputs_amended = false WHERE symbol = 'BTC/USD' AND feature_time = %s",
            [amended],
        )
    assert {r["feature_time"] for r in found if r["outcome"]["inputs_amended"]} == {due[3]["feature_time"]}


def test_models_say_what_they_do(api: httpx.Client) -> None:
    models = {m["model_name"]: m for m in get(api, "models")["data"]}
    assert models["candlewave"]["roles"][0] == "champion"
    assert models["candlewave"]["horizons_minutes"] == [1, 5]
    assert models["baseline"]["horizons_minutes"] == [15, 60]


def test_a_training_is_told_until_its_model_is_registered_or_it_is_silent(
    serve: Serve, world: World, conn: psycopg.Connection
) -> None:
    now = world.clock()

    def event(identity: str, name: str, seconds_ago: float, reason: str, version: str = "") -> None:
        conn.execute(
            "INSERT INTO model_events VALUES (%s, 'candlewave', %s, %s, %s, %s)",
            [identity, version, name, reason, now - timedelta(seconds=seconds_ago)],
        )

    def training() -> dict[str, Any] | None:
        found: dict[str, Any] = serve(clock=lambda: now).get("/v1/models").json()  # a fresh one has nothing cached
        assert all(model["model_version"] for model in found["data"])
        told: dict[str, Any] | None = found["training"]
        return told

    assert training() is None
    event("t1", "training", 100, "since 2026-03-02 12:00:00 UTC: 12 of 48 boosters; first")
    told = training()
    assert told is not None
    assert (told["state"], told["fitted"], told["total"], told["reason"]) == ("running", 12, 48, "first")
    assert told["since"] == "2026-03-02T12:00:00Z"
    event("t2", "failed", 90, "too short")
    told = training()
    assert told is not None
    assert (told["state"], told["reason"]) == ("failed", "too short")
    event("t3", "registered", 80, "first", "1")
    assert training() is None
    event("t4", "training", 60, "since 2026-03-02 12:00:00 UTC: 12 of 48 boosters; second")
    now += timedelta(minutes=20)
    assert training() is None, "it was interrupted"


def test_without_an_exchange_the_market_with_data_is_meant(api: httpx.Client, conn: psycopg.Connection) -> None:
    conn.execute("INSERT INTO symbols VALUES ('kraken', 'BTC/USD', 'BTC', 'USD')")  # the default; nothing has arrived
    assert get(api, "candles", symbol="BTC-USD", limit="1")["exchange"] == "simulated"
    assert get(api, "candles", symbol="BTC-USD", exchange="simulated", limit="1")["data"]


def test_symbols_tell_their_range_and_price(api: httpx.Client, world: World) -> None:
    [market] = [m for m in get(api, "symbols")["data"] if m["exchange"] == "simulated" and m["symbol"] == "BTC/USD"]
    assert market["is_synthetic"] is True
    assert (market["id"], market["base"], market["quote"]) == ("BTC-USD", "BTC", "USD")
    assert market["last_price"] == world.last_price()
    assert _time(market["last_candle"]) - _time(market["first_candle"]) >= timedelta(hours=11)


def test_alerts_have_a_sentence(api: httpx.Client) -> None:
    [alert] = get(api, "alerts")["data"]
    assert alert["rule"] == "coverage"
    assert "80 % interval held 62.0%" in alert["summary"]


def test_an_unchanged_answer_is_304(api: httpx.Client) -> None:
    for path, parameters in (("candles", {**MARKET, "include_open": "false"}), ("predictions/latest", MARKET)):
        first = api.get(f"/v1/{path}", params=parameters)
        again = api.get(f"/v1/{path}", params=parameters, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = api.get(f"/v1/{path}", params=parameters, headers={"If-None-Match": 'W/"else"'})
        assert other.status_code == 200


def test_long_answers_are_compressed_when_asked(api: httpx.Client) -> None:
    plain = api.get("/v1/candles", params=MARKET, headers={"Accept-Encoding": "identity"})
    packed = api.get("/v1/candles", params=MARKET, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert packed.json()["symbol"] == plain.json()["symbol"]


def test_head_has_the_heads_of_get(api: httpx.Client) -> None:
    answer = api.head("/v1/symbols")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "etag" in answer.headers


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_two_questions_with_the_same_values_do_not_share_an_answer(serve: Serve) -> None:
    api = serve(settings={"API_CACHE_SECONDS": "0.9"})
    moment = get(api, "candles", **MARKET, limit="30", include_open="false")["data"][15]["open_time"]
    narrow = {**MARKET, "limit": "10", "include_open": "false"}
    later = get(api, "candles", **narrow, **{"from": moment})["data"]
    earlier = get(api, "candles", **narrow, to=moment)["data"]
    assert min(row["open_time"] for row in later) >= moment > max(row["open_time"] for row in earlier)
