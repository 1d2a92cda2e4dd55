"""A project of six objects, small enough to interrupt a migration at every statement.

trades ──> minutes ──> scaled ──> latest
                          └─────> scaled_sink        symbols
"""

import shutil
from pathlib import Path

from candlewave.core.config import Config
from candlewave.core.paths import project_root
from candlewave.engine.migrate.history import Branch, Comparison, History, compare
from candlewave.engine.migrate.revisions_plan import make_plan
from candlewave.engine.migrate.writer import write

_HEADER = """\
-- {name}: {purpose}.
-- grain: one row per key
-- keys: {keys}
-- event time: {time}
-- late data: amends
{footprint}-- readers: tests
"""

TRADES = """\
CREATE TABLE trades (
    symbol VARCHAR,
    trade_id VARCHAR,
    ts TIMESTAMPTZ,
    price DOUBLE PRECISION,
    PRIMARY KEY (symbol, trade_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
"""
SYMBOLS = """\
CREATE TABLE symbols (
    exchange VARCHAR,
    symbol VARCHAR,
    base VARCHAR,
    quote VARCHAR,
    PRIMARY KEY (exchange, symbol)
)
"""
MINUTES = """\
CREATE MATERIALIZED VIEW minutes AS
SELECT symbol, date_trunc('minute', ts, 'UTC') AS open_time, max(price) AS high
FROM trades
GROUP BY symbol, date_trunc('minute', ts, 'UTC')
"""
SCALED = """\
CREATE MATERIALIZED VIEW scaled AS
SELECT symbol, open_time, high * {{ config.indicators.rsi }} AS value FROM minutes
"""
LATEST = """\
CREATE VIEW latest AS
SELECT symbol, max(open_time) AS open_time FROM scaled GROUP BY symbol
"""
SCALED_SINK = """\
CREATE SINK scaled_sink FROM scaled
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}scaled',
    ${kafka_properties},
    primary_key = 'symbol,open_time'
) FORMAT UPSERT ENCODE JSON
"""


class SmallProject:
    """The project in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.history = History(root)
        shutil.copytree(
            project_root() / "migrations", root / "migrations", ignore=shutil.ignore_patterns("*_*.py", "__pycache__")
        )
        self.put("trades", TRADES, keys="symbol, trade_id", time="ts")
        self.put("symbols", SYMBOLS, keys="exchange, symbol")
        minute = "trades by symbol: ts -> open_time tumble 1 minute"
        self.put("minutes", MINUTES, keys="symbol, open_time", time="open_time", footprint=minute)
        self.put(
            "scaled", SCALED, keys="symbol, open_time", time="open_time",
            footprint="minutes by symbol: open_time -> open_time [0, 0]",
        )  # fmt: skip
        self.put("latest", LATEST, keys="symbol")
        self.put("scaled_sink", SCALED_SINK, keys="symbol, open_time", time="open_time")

    @classmethod
    def at(cls, root: Path) -> "SmallProject":
        """Return a project that is there already, with its revisions read anew."""
        project = cls.__new__(cls)
        project.root, project.history = root, History(root)
        return project

    def stage_changed(self) -> None:
        """Stage "changed": a view changed, a view and a table are new, a column came, a view went."""
        self.edit("scaled", "high *", "high / 2 *")
        self.edit("trades", "price DOUBLE PRECISION,", "price DOUBLE PRECISION,\n    venue VARCHAR,")
        self.put("notes", "CREATE TABLE notes (id VARCHAR, PRIMARY KEY (id))", keys="id")
        self.put("highs", "CREATE VIEW highs AS SELECT symbol, value AS high FROM scaled", keys="symbol")
        self.remove("latest")
        self.migration("changed")

    def put(
        self, name: str, statement: str, *, keys: str, time: str = "none", footprint: str = "", purpose: str = "a test"
    ) -> None:
        """Write a template."""
        lines = f"-- footprint:\n--   {footprint}\n" if footprint else ""
        header = _HEADER.format(name=name, purpose=purpose, keys=keys, time=time, footprint=lines)
        path = self.root / "sql" / f"{name}.sql.j2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + statement)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a part of a template."""
        path = self.root / "sql" / f"{name}.sql.j2"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def remove(self, name: str) -> None:
        """Delete a template."""
        (self.root / "sql" / f"{name}.sql.j2").unlink()

    def compare(self, config: Config | None = None) -> list[Comparison]:
        """Compare sql/ with the heads."""
        return compare(self.history, config or Config())

    def migration(self, message: str, config: Config | None = None, branch: Branch = Branch.SHIPPED) -> Path:
        """Write the next revision of a branch, as `candlewave migration` does."""
        comparison = next(c for c in self.compare(config) if c.branch is branch)
        plan = make_plan(comparison.before, comparison.rendered)
        return write(self.history, branch, plan, message, down_revision=comparison.head)
