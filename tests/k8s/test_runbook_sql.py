"""The queries of runbooks run: views and columns are there. RisingWave's own catalogues are not on this engine."""

import re
import shlex

import psycopg
import pytest
from tests.integration.engine.migrate.conftest import Engine
from tests.integration.engine.migrate.conftest import fill as fill_kafka
from tests.k8s.test_rules import RUNBOOKS

from candlewave.core.config import load_config
from candlewave.core.paths import project_root
from candlewave.engine.migrate.revisions import Revisions

_RISINGWAVE_ONLY = re.compile(r"\brw_|^ALTER|^SHOW|\.\.\.")


def commands() -> list[tuple[str, str]]:
    """Return the queries of all runbooks and where they stand."""
    found = []
    for path in sorted(RUNBOOKS.glob("*.md")):
        for line in re.findall(r"(?:^|`)(cw sql -c [^`\n]+)", path.read_text(), re.MULTILINE):
            query = shlex.split(line)[3]
            if not _RISINGWAVE_ONLY.search(query):
                found.append((path.stem, query))
    return found


def fill(text: str) -> str:
    """Put in the deploy-time parameters, those of Elasticsearch too."""
    return fill_kafka(text).replace("${elasticsearch_properties}", "url = 'embedded'")


@pytest.fixture(scope="module")
def migrated(server: object) -> str:
    """URL of a database with all views."""
    url = str(server.url)  # type: ignore[attr-defined]
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE runbooks TEMPLATE template0 STRATEGY wal_log")
    url = url.rsplit("/", 1)[0] + "/runbooks"
    engine = Engine(lambda: psycopg.connect(url, autocommit=True), False)
    from candlewave.engine.migrate.migrator import Migrator

    Migrator(Revisions(project_root()), load_config(), engine.connect, False, fill, engine.journal).upgrade()
    return url


def test_there_are_queries() -> None:
    assert len(commands()) > 20


@pytest.mark.parametrize("query", [pytest.param(query, id=f"{n}-{name}") for n, (name, query) in enumerate(commands())])
def test_query_runs(migrated: str, query: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute(query)  # type: ignore[call-overload]
