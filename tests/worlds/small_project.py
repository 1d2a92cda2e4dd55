"""A project of six objects, small enough to interrupt a migration at every statement.

trades ──> minutes ──> scaled ──> latest
                          └─────> scaled_sink        symbols
"""

import shutil
from pathlib import Path

from candlewave.core.config import Config
from candlewave.core.paths import project_root
from candlewave.engine.migrate.plan import Mode, Plan, Recorded, make_plan
from candlewave.engine.migrate.revisions import Revisions
from candlewave.engine.migrate.state import State, ordered
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import render_objects

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
    kind VARCHAR,
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
NOTES = "CREATE TABLE notes (id VARCHAR, PRIMARY KEY (id))"
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
        (root / "migrations" / "versions").mkdir(parents=True)
        shutil.copy(project_root() / "migrations" / "env.py", root / "migrations")
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

        self.revision("0001", f'create("""{TRADES}""")', f'create("""{SYMBOLS}""")', drops=("symbols", "trades"))

    @property
    def revisions(self) -> Revisions:
        """The revisions as they are now."""
        return Revisions(self.root)

    def stage_changed(self) -> None:
        """Stage "changed": a view changed, a view and a table are new, a column came, a view went."""
        self.edit("scaled", "high *", "high / 2 *")
        self.edit("trades", "price DOUBLE PRECISION,", "price DOUBLE PRECISION,\n    venue VARCHAR,")
        self.put("notes", NOTES, keys="id")
        self.put("highs", "CREATE VIEW highs AS SELECT symbol, value AS high FROM scaled", keys="symbol")
        self.remove("latest")
        self.revision("0002", 'add_column("trades", "venue", "VARCHAR")', f'create("""{NOTES}""")', drops=("notes",))

    def revision(self, number: str, *operations: str, drops: tuple[str, ...] = ()) -> Path:
        """Write a revision of tables by hand, as a person would."""
        before = f"{int(number) - 1:04}" if number > "0001" else None
        lines = [
            f'"""Revision {number}."""', "from candlewave.engine.migrate.tables import add_column, create, drop",
            f"revision = {number!r}", f"down_revision = {before!r}",
            "def upgrade():", *(f"    {operation}" for operation in operations),
            "def downgrade():", *(f"    drop({name!r})" for name in drops), "    pass",
        ]  # fmt: skip
        path = self.root / "migrations" / "versions" / f"{number}_tables.py"
        path.write_text("\n".join(lines) + "\n")
        return path

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

    def declared(self, config: Config | None = None) -> State:
        """Return what sql/ renders to."""
        return ordered(render_objects(config or Config(), self.root / "sql"))

    def recorded(self, config: Config | None = None) -> dict[str, Recorded]:
        """Return what an engine would say that was migrated to what sql/ declares now."""
        return {
            name: Recorded(name, o.kind, fingerprint(o), o.text, rows=1, seconds=1.0, bytes=1)
            for name, o in self.declared(config).items()
        }

    def plan(self, recorded: dict[str, Recorded], *, by_name: bool = True, mode: Mode = Mode.BESIDE) -> Plan:
        """Plan the way from what an engine says to what sql/ declares."""
        return make_plan(recorded, self.declared(), readers_follow_names=by_name, mode=mode)
