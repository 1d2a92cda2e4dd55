"""RisingWave as the target of a migration."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict

from candlewave.engine.embedded.beside import Exchange
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.targets import RECORDS, Record, Size, Target, alter_add
from candlewave.sqlproject.ddl import Column, Kind, parse_statement
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.quoting import trusted
from candlewave.sqlproject.rename import renamed

_EXCHANGE = "candlewave exchange"
"""Name of the record that holds an exchange under way; no object has such a name."""
_SWAPPING = "swapping"
_DROPPING = "dropping"
_LOOK_SECONDS = 1.0


class RisingWaveTarget(Target):
    """RisingWave."""

    def prepare(self) -> None:
        """See :meth:`Target.prepare`. A view whose client went away may still be filling: WAIT ends when it is done."""
        self.conn.execute("WAIT")
        self.conn.execute(trusted(RECORDS.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)))
        self._complete_records()
        self._note_built(self.existing())

    def existing(self) -> dict[str, Kind]:
        """See :meth:`Target.existing`."""
        rows = self._rows(
            "SELECT r.name, r.relation_type FROM rw_catalog.rw_relations AS r"
            " JOIN rw_catalog.rw_schemas AS s ON r.schema_id = s.id WHERE s.name = %s",
            [self.schema],
        )
        kinds = {str(kind) for kind in Kind}
        return {name: Kind(kind) for name, kind in rows if kind in kinds}

    def sizes(self) -> dict[str, Size]:
        """See :meth:`Target.sizes`."""
        rows = self._rows(
            "SELECT r.name, s.total_key_count, s.total_key_size + s.total_value_size"
            " FROM rw_catalog.rw_table_stats AS s JOIN rw_catalog.rw_relations AS r ON r.id = s.id"
            " JOIN rw_catalog.rw_schemas AS n ON r.schema_id = n.id WHERE n.name = %s",
            [self.schema],
        )
        return {name: Size(rows, size) for name, rows, size in rows}

    def inputs(self) -> dict[str, frozenset[str]]:
        """See :meth:`Target.inputs`."""
        rows = self._rows(
            "SELECT r.name, i.name FROM rw_catalog.rw_relations AS r"
            " JOIN rw_catalog.rw_schemas AS n ON r.schema_id = n.id"
            " LEFT JOIN rw_catalog.rw_depend AS d ON d.objid = r.id"
            " LEFT JOIN rw_catalog.rw_relations AS i ON i.id = d.refobjid WHERE n.name = %s",
            [self.schema],
        )
        found: dict[str, set[str]] = {}
        for name, source in rows:
            found.setdefault(name, set()).update({source} if source else ())
        return {name: frozenset(sources) for name, sources in found.items()}

    def create(self, text: str) -> None:
        """See :meth:`Target.create`."""
        self.conn.execute(trusted(text))

    def drop(self, kind: Kind, name: str) -> None:
        """See :meth:`Target.drop`; never CASCADE, so that nothing goes that the plan did not name."""
        self.conn.execute(trusted(f"DROP {kind.upper()} {self.schema}.{name}"))

    def build(self, text: str, report: Callable[[str], None]) -> int | None:
        """See :meth:`Target.build`; the engine goes on with it even if this process ends."""
        statement = parse_statement(split_header(text)[1])
        if statement.kind is not Kind.MATERIALIZED_VIEW:
            self.create(text)
            return None
        self.conn.execute("SET background_ddl = true")
        try:
            self.create(text)
        finally:
            self.conn.execute("SET background_ddl = false")
        while (progress := self._progress(statement.name)) is not None:
            report(progress)
            self.pause(_LOOK_SECONDS)
        self.conn.execute("WAIT")
        rows = self._rows(f"SELECT count(*) FROM {statement.name}")  # an unfinished view cannot be read
        return int(rows[0][0])

    def exchange(self, plan: Exchange, made: Mapping[str, Record]) -> None:
        """See :meth:`Target.exchange`: first it is noted, then done name by name, so that another run can finish it."""
        content = {
            "places": plan.places,
            "texts": plan.texts,
            "gone": sorted(plan.gone),
            "sinks": plan.sinks,
            "ids": {built: self.object_id(built) for built in plan.places},
            "made": {name: asdict(record) for name, record in made.items()},
        }
        self.note(Record(_EXCHANGE, "", "", _SWAPPING, definition=json.dumps(content)))
        self.resume()

    def resume(self) -> bool:
        """See :meth:`Target.resume`."""
        noted = self.records().get(_EXCHANGE)
        if noted is None:
            return False
        content = json.loads(noted.definition or "{}")
        places: dict[str, str] = content["places"]
        if noted.state == _SWAPPING:
            for built, final in places.items():
                self._put(built, final, content["ids"][built])
            for text, sends in content["sinks"]:
                self._make_sink(text, sends)
            self.note(Record(_EXCHANGE, "", "", _DROPPING, definition=noted.definition))
        existing = self.existing()
        sinks = [parse_statement(split_header(text)[1]).name for text, _ in content["sinks"]]
        new_sinks = [name for name in sinks if _next(name) in existing]
        replaced = {built for built in places if built in existing} | {_old(final) for final in places.values()}
        gone = (replaced | set(content["gone"]) - set(sinks) | set(new_sinks)) & existing.keys()
        for name in self.readers_first(gone):
            self.drop(existing[name], name)
        for name in new_sinks:
            self.conn.execute(trusted(f"ALTER SINK {self.schema}.{_next(name)} RENAME TO {name}"))
        for name in {*places, *content["gone"]}:
            self.forget(name)
        for record in content["made"].values():
            self.note(Record(**record))
        self.forget(_EXCHANGE)
        return True

    def revert(self) -> bool:
        """See :meth:`Target.revert`."""
        noted = self.records().get(_EXCHANGE)
        if noted is None:
            return False
        if noted.state != _SWAPPING:
            raise MigrationError(
                "the new objects are in place and old ones are dropped already, so this migration cannot be aborted:"
                " finish it with `candlewave migrate`, then go back by applying the older sql/"
            )
        content = json.loads(noted.definition or "{}")
        existing = self.existing()
        for text, _ in content["sinks"]:
            name = _next(parse_statement(split_header(text)[1]).name)
            if name in existing:
                self.drop(Kind.SINK, name)
        for built, final in reversed(content["places"].items()):
            self._take_back(built, final, content["ids"][built])
        self.forget(_EXCHANGE)
        return True

    def object_id(self, name: str) -> int | None:
        """See :meth:`Target.object_id`."""
        rows = self._rows(
            "SELECT r.id FROM rw_catalog.rw_relations AS r JOIN rw_catalog.rw_schemas AS s ON r.schema_id = s.id"
            " WHERE s.name = %s AND r.name = %s",
            [self.schema, name],
        )
        return int(rows[0][0]) if rows else None

    def outside_readers(self, replaced: Collection[str], planned: Collection[str]) -> list[str]:
        """See :meth:`Target.outside_readers`."""
        return sorted(
            f"{reader} reads {name}"
            for reader, sources in self.inputs().items()
            if reader not in planned
            for name in sources & set(replaced)
        )

    def _put(self, built: str, final: str, number: int) -> None:
        """Give the new object its final name, and the old one the name that the new one was built under."""
        if self.object_id(final) == number:
            return
        existing = self.existing()
        if existing.get(final) is existing.get(built):
            self.conn.execute(trusted(f"ALTER {self._what(built, existing)} SWAP WITH {self.schema}.{final}"))
            return
        if final in existing:
            self.conn.execute(trusted(f"ALTER {self._what(final, existing)} RENAME TO {_old(final)}"))
        self.conn.execute(trusted(f"ALTER {self._what(built, existing)} RENAME TO {final}"))

    def _take_back(self, built: str, final: str, number: int) -> None:
        existing = self.existing()
        if self.object_id(final) == number:
            if built in existing:
                self.conn.execute(trusted(f"ALTER {self._what(built, existing)} SWAP WITH {self.schema}.{final}"))
                return
            self.conn.execute(trusted(f"ALTER {self._what(final, existing)} RENAME TO {built}"))
        if _old(final) in existing:
            self.conn.execute(trusted(f"ALTER {self._what(_old(final), existing)} RENAME TO {final}"))

    def _what(self, name: str, existing: Mapping[str, Kind]) -> str:
        return f"{existing[name].upper()} {self.schema}.{name}"

    def _make_sink(self, text: str, sends: bool) -> None:
        """Make a sink beside the one of its name, so that no change is lost between them."""
        name = parse_statement(split_header(text)[1]).name
        if _next(name) in self.existing():
            return
        text = renamed(text, {name: _next(name)})
        if not sends:
            text = re.sub(r"\bWITH \(", "WITH (\n    snapshot = 'false',", text, count=1)
        self.create(text)

    def _progress(self, name: str) -> str | None:
        """Return how far a view that is being filled is, None when it is done."""
        rows = self._rows("SELECT ddl_statement, progress FROM rw_catalog.rw_ddl_progress")
        own = re.compile(rf"\bVIEW\s+(?:\w+\.)?{name}\b")
        return next((str(progress) for statement, progress in rows if own.search(statement)), None)

    def add_column(self, name: str, column: Column) -> None:
        """See :meth:`Target.add_column`."""
        self.conn.execute(alter_add(self.schema, name, column))


def _next(name: str) -> str:
    return f"{name}__next"


def _old(name: str) -> str:
    return f"{name}__old"
