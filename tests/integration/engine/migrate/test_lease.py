"""Two migrators at once: the lease by a row, as on RisingWave, and the lease by the session, as on PostgreSQL."""

from collections.abc import Callable
from threading import Barrier, Thread

import psycopg
import pytest
from tests.integration.engine.migrate.conftest import Engine

from candlewave.engine.migrate.lease import LeaseError, RowLease, SessionLease

TABLE = "CREATE TABLE candlewave_migrators (owner VARCHAR, expires_at TIMESTAMPTZ, PRIMARY KEY (owner))"


@pytest.fixture
def connect(engine: Engine) -> Callable[[], psycopg.Connection]:
    """Connections to an engine where an INSERT writes over the row of its key, as on RisingWave."""
    with engine.target() as target:
        target.prepare()
        target.create(TABLE)
    return engine.connect


def no_pause(_seconds: float) -> None:
    pass


def owners(connect: Callable[[], psycopg.Connection]) -> list[str]:
    with connect() as conn:
        return [row[0] for row in conn.execute("SELECT owner FROM candlewave_migrators").fetchall()]


def test_row_is_there_while_held_and_gone_after(connect: Callable[[], psycopg.Connection]) -> None:
    with RowLease(connect, 0) as lease:
        assert owners(connect) == [lease.owner]
        lease.check()
    assert owners(connect) == []


def test_second_owner_is_refused_and_leaves_no_row(connect: Callable[[], psycopg.Connection]) -> None:
    with RowLease(connect, 0) as first:
        with pytest.raises(LeaseError, match=first.owner.split(":")[0]):
            RowLease(connect, 0, pause=no_pause).acquire()
        assert owners(connect) == [first.owner]


def test_second_owner_goes_on_when_the_first_is_done(connect: Callable[[], psycopg.Connection]) -> None:
    first = RowLease(connect, 0)
    first.acquire()
    with RowLease(connect, 60, pause=lambda _seconds: first.release()):
        pass


def test_dead_owner_is_forgotten_when_its_time_is_up(connect: Callable[[], psycopg.Connection]) -> None:
    with connect() as conn:
        conn.execute("INSERT INTO candlewave_migrators (owner, expires_at) VALUES ('dead', '2026-01-01 00:00:00+00')")
    with RowLease(connect, 0) as lease:
        assert owners(connect) == [lease.owner]


def test_lease_that_is_not_renewed_in_time_is_lost(connect: Callable[[], psycopg.Connection]) -> None:
    with (
        RowLease(connect, 0, life_seconds=120, clock=iter([0.0, 0.0, 121.0]).__next__) as lease,
        pytest.raises(LeaseError, match="could not be renewed"),
    ):
        lease.check()


def test_never_two_at_once(connect: Callable[[], psycopg.Connection]) -> None:
    """Whatever the order of their statements, of owners that ask together at most one goes on."""
    for _ in range(10):
        together = Barrier(3)
        held: list[RowLease] = []

        def ask(together: Barrier = together, held: list[RowLease] = held) -> None:
            lease = RowLease(connect, 0, pause=no_pause)
            together.wait()
            try:
                lease.acquire()
            except LeaseError:
                return
            held.append(lease)

        threads = [Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(held) <= 1
        for lease in held:
            lease.release()


def test_session_lease_goes_with_its_session(engine: Engine) -> None:
    if engine.risingwave:
        pytest.skip("PostgreSQL's lock")
    first, second = engine.connect(), engine.connect()
    SessionLease(first, 0).acquire()
    with pytest.raises(LeaseError, match="another `candlewave migrate` is at work"):
        SessionLease(second, 0.01).acquire()
    first.close()
    with SessionLease(second, 60):
        pass
    second.close()
