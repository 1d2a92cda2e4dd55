"""sentiment_minute against a plain recomputation, and its incremental state against the full one."""

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.worlds.engine import install
from tests.worlds.trades import CONFIG, reset

from candlewave.engine.embedded.refresh import Refresher, differences

START = datetime(2024, 1, 1, 3, 50, tzinfo=UTC)  # a run crosses 04:00, where a chunk begins
GRACE = timedelta(seconds=2)
MINUTE = timedelta(minutes=1)

seconds = st.integers(0, 1500)
score = st.tuples(
    st.just("score"),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["BTC", "ETH", "DOGE"]),
    st.sampled_from(["v1", "v2", "v3"]),
    st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0, 7.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    seconds,
    st.integers(-3, 900),  # seconds from scoring to arrival; -3 is from the future
)
clock = st.tuples(st.just("clock"), seconds)
symbol = st.tuples(st.sampled_from(["watch", "forget"]), st.sampled_from(["BTC", "ETH"]))
refresh = st.tuples(st.sampled_from(["refresh", "restart"]))
steps = st.lists(st.one_of(score, score, score, clock, symbol, refresh), max_size=40)

PUBLISHED = {"a": START - timedelta(hours=30), "b": START - timedelta(minutes=7), "c": START + timedelta(minutes=5)}


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        install(connection, CONFIG, layers=("sources", "views/ohlc", "views/sentiment"))
        yield connection


def apply_step(conn: psycopg.Connection, step: tuple) -> None:
    match step:
        case ("score", article, asset, version, value, confidence, second, delay):
            at = START + timedelta(seconds=second)
            conn.execute(
                "INSERT INTO news_sentiment (article_id, asset, score, confidence, relevance, event_type, extractor,"
                " extractor_version, published_at, fetched_at, scored_at, ingest_ts)"
                " VALUES (%s, %s, %s, %s, 0.8, 'other', 'offline', %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [article, asset, value, confidence, version, PUBLISHED[article], at, at, at + timedelta(seconds=delay)],
            )
        case ("clock", second):
            ts = START + timedelta(seconds=second)
            conn.execute(
                "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, origin, ingest_ts)"
                " VALUES ('x', 'A/B', %s, 'heartbeat', 0, %s, 'live', %s) ON CONFLICT DO NOTHING",
                [f"hb:{ts.isoformat()}", ts, ts],
            )
        case ("watch", asset):
            conn.execute(
                "INSERT INTO symbols VALUES ('x', %s, %s, 'USD') ON CONFLICT DO NOTHING", [f"{asset}/USD", asset]
            )
        case ("forget", asset):
            conn.execute("DELETE FROM symbols WHERE base = %s", [asset])


def floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def expected(conn: psycopg.Connection) -> dict[tuple[str, datetime], dict[str, float | None]]:
    """Compute each closed minute from the scores known at its end, without any running sum."""
    watched = {row[0] for row in conn.execute("SELECT DISTINCT base FROM symbols").fetchall()}
    newest = conn.execute("SELECT max(ts) FROM trades").fetchone()
    assert newest is not None
    if newest[0] is None:
        return {}
    closed_until = floor(newest[0].astimezone(UTC) - GRACE)
    versions = defaultdict(list)
    for article, asset, version, value, confidence, relevance, published, at, arrived in conn.execute(
        "SELECT article_id, asset, extractor_version, score, confidence, relevance, published_at, scored_at, ingest_ts"
        " FROM news_sentiment"
    ).fetchall():
        if asset in watched and -1 <= value <= 1 and at <= arrived + timedelta(seconds=2):
            versions[asset, article].append((at.astimezone(UTC), version, value, confidence * relevance, published))
    rows = {}
    minute = floor(START)
    while minute < closed_until:
        for asset in watched:
            known = []
            for (owner, _), scored in versions.items():
                seen = sorted(v for v in scored if floor(v[0]) <= minute)
                if owner == asset and seen:
                    age = minute - floor(min(seen[0][4].astimezone(UTC), seen[0][0]))
                    known.append((age, seen[-1][2], seen[-1][3]))
            if known:
                rows[asset, minute] = {
                    f"{name}_{hours}h": value for hours in (1, 6, 24) for name, value in measures(known, hours).items()
                }
        minute += MINUTE
    return rows


def measures(known: list[tuple[timedelta, float, float]], hours: int) -> dict[str, float | None]:
    decays = [0.5 ** (age / timedelta(hours=hours)) for age, _, _ in known]
    weight = math.fsum(d * w for d, (_, _, w) in zip(decays, known, strict=True))
    total = math.fsum(d * w * s for d, (_, s, w) in zip(decays, known, strict=True))
    dispersion = None
    if weight >= 0.01:
        mean = total / weight
        spread = math.fsum(d * w * (s - mean) ** 2 for d, (_, s, w) in zip(decays, known, strict=True)) / weight
        dispersion = math.sqrt(spread) if spread >= 1e-6 else 0.0
    return {"sentiment": total / (1 + weight), "volume": math.fsum(decays), "dispersion": dispersion}


def found(conn: psycopg.Connection) -> dict[tuple[str, datetime], dict[str, float | None]]:
    cursor = conn.execute("SELECT * FROM sentiment_minute")
    names = [column.name for column in cursor.description or ()]
    rows = (dict(zip(names, row, strict=True)) for row in cursor.fetchall())
    return {(r.pop("asset"), r.pop("minute").astimezone(UTC)): r for r in rows}


CHUNK = ("score", "a", "BTC", "v1", 1.0, 1.0, 590, 0)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
@example([("watch", "BTC"), CHUNK, ("clock", 1200), ("score", "a", "BTC", "v2", -0.5, 0.5, 700, 0)])
@example([("watch", "BTC"), ("clock", 1500), ("score", "b", "BTC", "v2", 1.0, 1.0, 60, 0), ("refresh",), CHUNK])
def test_every_minute_is_what_was_known_at_its_end(conn: psycopg.Connection, steps: list[tuple]) -> None:
    reset(conn)
    refresher = Refresher(conn)
    for step in steps:
        match step[0]:
            case "refresh":
                refresher.run_once()
            case "restart":
                refresher.run_once()
                refresher = Refresher(conn)
            case _:
                apply_step(conn, step)
    refresher.run_until_idle()
    assert differences(conn) == []
    wanted, have = expected(conn), found(conn)
    assert have.keys() == wanted.keys()
    for key, row in wanted.items():
        for name, value in row.items():
            if value is None or have[key][name] is None:
                assert have[key][name] is value, (key, name)
            else:
                assert have[key][name] == pytest.approx(value, rel=1e-9, abs=1e-9), (key, name)
