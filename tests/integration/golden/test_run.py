"""Running golden cases: which objects are made, and what is reported when something is wrong."""

from pathlib import Path

import psycopg
import pytest

from candlewave.core.config import load_config
from candlewave.engine.golden.case import load_case
from candlewave.engine.golden.engines import EmbeddedEngine
from candlewave.engine.golden.run import MismatchError, objects_between, run_case
from candlewave.engine.golden.table import CaseError
from candlewave.sqlproject.render import render_objects

TRADES = "exchange,symbol,trade_id,kind,seq,ts,side,price,quantity,origin,ingest_ts\n"
ONE = "x,A/B,1,trade,1,2024-01-01T00:00:10Z,buy,100,1,live,2024-01-01T00:00:10Z\n"


def case(tmp_path: Path, view: str, **files: str) -> Path:
    folder = tmp_path / view / "case"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# A story\n")
    for name, text in files.items():
        (folder / f"{name[1:].replace('_', '-', 1)}.csv").write_text(text)
    return folder


@pytest.fixture
def engine(database: str) -> EmbeddedEngine:
    with psycopg.connect(database, autocommit=True) as conn:
        yield EmbeddedEngine(conn)


def names(*given: str, view: str) -> list[str]:
    objects = {o.name: o for o in render_objects(load_config())}
    return [o.name for o in objects_between(objects, frozenset(given), view)]


def test_only_objects_between_the_files_and_the_view_are_made() -> None:
    assert names("candles_1m", "closed_minutes", view="candles") == ["closed_minutes", "candles_1m", "candles"]


def test_stores_that_are_not_given_are_made_too() -> None:
    assert names("clock_minutes", view="clock_days") == ["clock_exclusions", "clock_minutes", "clock_days"]


def test_a_relation_that_the_view_does_not_read_is_refused() -> None:
    with pytest.raises(CaseError, match="clock_days does not read late_trades"):
        names("late_trades", view="clock_days")


def test_a_relation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CaseError, match="there is no relation trade in sql/"):
        names("trade", view="clock_days")


def test_a_wrong_expectation_is_shown(tmp_path: Path, engine: EmbeddedEngine) -> None:
    folder = case(
        tmp_path,
        "candles_1m_live",
        s01_trades=TRADES + ONE,
        s01_expected="exchange,symbol,open_time,close\nx,A/B,2024-01-01T00:00:00Z,101\n",
    )
    with pytest.raises(MismatchError, match=r"(?s)candles_1m_live/case 01-expected\.csv: 1 row .*close +101 +100"):
        run_case(load_case(folder), engine)


def test_a_view_given_as_a_file_is_a_table_with_its_key(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """The second row of a key replaces the first, as an amended row of the view would."""
    folder = case(
        tmp_path,
        "furthest_clock",
        s01_feed_clock="exchange,symbol,last_ts\nx,A/B,2024-01-01T00:05:00Z\n",
        s02_feed_clock="exchange,symbol,last_ts\nx,A/B,2024-01-01T00:03:00Z\n",
        s02_expected="clock_id,closed_until\n1,2024-01-01T00:02:00Z\n",
    )
    run_case(load_case(folder), engine)


def test_a_column_that_the_relation_lacks_is_refused(tmp_path: Path, engine: EmbeddedEngine) -> None:
    folder = case(tmp_path, "feed_clock", s01_trades="exchange,cost\nx,1\n", s01_expected="exchange,symbol\n")
    with pytest.raises(CaseError, match="trades has no column cost; it has exchange, symbol, trade_id"):
        run_case(load_case(folder), engine)


def test_what_is_no_view_is_refused(tmp_path: Path, engine: EmbeddedEngine) -> None:
    folder = case(tmp_path, "candles_sink", s01_expected="exchange\n")
    with pytest.raises(CaseError, match="candles_sink is not a table or view"):
        run_case(load_case(folder), engine)


def test_a_wrong_incremental_state_fails_whatever_is_expected(
    tmp_path: Path, engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = case(tmp_path, "feed_clock", s01_trades=TRADES + ONE, s01_expected="exchange,symbol\nx,A/B\n")
    monkeypatch.setattr(engine, "settle", lambda: ["feed_clock [x A/B] computed, but not kept"])
    with pytest.raises(MismatchError, match="step 01: incremental and full computation differ\nfeed_clock"):
        run_case(load_case(folder), engine)


def test_an_update_writes_what_the_engine_has(tmp_path: Path, engine: EmbeddedEngine) -> None:
    folder = case(tmp_path, "feed_clock", s01_trades=TRADES + ONE, s01_expected="")
    run_case(load_case(folder), engine, update=True)
    assert (folder / "01-expected.csv").read_text() == (
        "exchange,symbol,last_ts,last_trade_ts\nx,A/B,2024-01-01T00:00:10Z,2024-01-01T00:00:10Z\n"
    )
    run_case(load_case(folder), engine)


def test_nothing_stays_behind(tmp_path: Path, database: str) -> None:
    folder = case(tmp_path, "feed_clock", s01_clock_days="exchange,symbol,day\n", s01_expected="exchange,symbol\n")
    with psycopg.connect(database, autocommit=True) as conn:
        run_case(load_case(folder), EmbeddedEngine(conn))
        assert conn.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'golden%'").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM embedded.objects").fetchone() == (0,)
