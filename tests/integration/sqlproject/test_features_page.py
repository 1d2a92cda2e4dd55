"""docs/features.md lists every feature, as the catalog of the engine describes it."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.ml.feature_set import KEYS

HEAD = "| feature | of | bars | range | meaning |\n|---|---|---|---|---|\n"


@pytest.fixture
def conn(make_engine: Callable[[Config], str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(make_engine(load_config()), autocommit=True) as connection:
        yield connection


def table(conn: psycopg.Connection) -> str:
    """Return the page's table: a line per feature, with the timeframes that it is computed for."""
    lines: dict[tuple, list[str]] = {}
    for name, timeframe, *described in conn.execute(
        'SELECT name, timeframe, needs, "range", meaning FROM feature_catalog'
    ).fetchall():
        stem = name.removesuffix(f"_{timeframe}") if timeframe else name
        lines.setdefault((stem, *described), []).append(timeframe or "–")
    return HEAD + "".join(
        f"| `{stem}` | {' '.join(timeframes)} | {needs} | {reach} | {meaning} |\n"
        for (stem, needs, reach, meaning), timeframes in lines.items()
    )


def test_the_page_has_the_catalogs_table(conn: psycopg.Connection) -> None:
    page = (project_root() / "docs/features.md").read_text(encoding="utf-8")
    expected = table(conn)
    assert expected in page, f"docs/features.md should have this table:\n{expected}"


def test_the_catalog_describes_the_columns_of_the_view(conn: psycopg.Connection) -> None:
    described = [name for (name,) in conn.execute("SELECT name FROM feature_catalog").fetchall()]
    columns = [c.name for c in conn.execute("SELECT * FROM features").description or () if c.name not in KEYS]
    assert sorted(columns) == sorted(described)
    assert len(described) == len(set(described))
