"""What must happen on an engine so that it has the objects of ``sql/``: the comparison, not the doing."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.state import State, is_store, ordered
from candlewave.sqlproject.ddl import Column, Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.lineage import Lineage, trace
from candlewave.sqlproject.render import SqlObject, from_text

READY = "ready"
"""State of a recorded object that was made completely."""
UNRECORDED = "unrecorded"
"""State of an object that exists although no migration noted it."""


class StoreChangeError(MigrationError):
    """A table's definition changed in a way that ALTER TABLE … ADD COLUMN cannot express."""


class Mode(StrEnum):
    """How computed objects are replaced."""

    BESIDE = "beside"
    """The new one is built while the old one serves, then they are swapped."""
    IN_PLACE = "in place"
    """The old one is dropped first: no extra space, but a gap."""


class Action(StrEnum):
    """What happens to an object."""

    ADDED = "added"
    CHANGED = "changed"
    """Its own statement changed."""
    REBUILT = "rebuilt"
    """Its statement is the same, but something that it reads changed."""
    REMOVED = "removed"
    ALTERED = "altered"
    """A table gains columns."""
    ABANDONED = "abandoned"
    """A table is no longer in sql/; it stays with its rows."""
    REPAIRED = "repaired"
    """Missing or half-made on the engine."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an engine says about one object.

    Attributes:
        sha256: fingerprint that it was made with.
        text: what it was made from; None on engines migrated by 0.1.0, which kept no text.
        state: ``ready`` when it was made completely.
        exists: the engine has it.
        rows: number of rows, None when unknown.
        seconds: how long its last build took.
        bytes: size on disk.
    """

    name: str
    kind: Kind
    sha256: str
    text: str | None = None
    state: str = READY
    exists: bool = True
    rows: int | None = None
    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One object's part in a plan.

    Attributes:
        reason: one sentence without a full stop.
        because_of: input columns that changed, as ``input.column``.
        added_columns: of an altered table, or of a changed view.
        rows, seconds: what is computed again and how long that took last time, None when unknown.
        resends: of a sink: True when every row is sent again, False when it is made again without that; else None.
        cheap: only metadata change, as for a plain view.
    """

    name: str
    kind: Kind
    action: Action
    reason: str
    because_of: tuple[str, ...] = ()
    old_text: str | None = None
    new_text: str | None = None
    added_columns: tuple[str, ...] = ()
    rows: int | None = None
    seconds: float | None = None
    resends: bool | None = None
    cheap: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they are made: inputs before readers; removals last, readers before inputs.

    Attributes:
        space_bytes: extra space while old and new exist beside each other, None when unknown.
        refill: existing views that are computed again from ``trades`` although trades expire, so that older rows
            would be lost unless the history is loaded again.
    """

    changes: tuple[Change, ...] = ()
    space_bytes: int | None = 0
    refill: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to do."""
        return not self.changes

    @property
    def rebuilt(self) -> tuple[str, ...]:
        """Existing materialized views whose rows are computed again."""
        return tuple(change.name for change in self.changes if _computes_again(change))

    def to_json(self) -> dict[str, object]:
        """Return the plan as values that JSON knows; docs/migrations.md describes the keys."""
        return {
            "changes": [asdict(change) for change in self.changes],
            "rebuilt": list(self.rebuilt),
            "space_bytes": self.space_bytes,
            "refill": list(self.refill),
        }


def make_plan(
    recorded: Mapping[str, Recorded],
    wanted: State,
    *,
    readers_follow_names: bool,
    mode: Mode = Mode.BESIDE,
) -> Plan:
    """Plan the way from what an engine has to ``wanted``.

    Args:
        recorded: what the engine has, by name.
        wanted: what it should have, without what it may do without (:func:`~.optional.left_out`).
        readers_follow_names: a reader finds its input by name (the embedded engine). Otherwise it keeps reading the
            relation that it was made on (RisingWave), so readers of a replaced relation are replaced too.

    Raises:
        StoreChangeError: a table changed in another way than by new columns.
    """
    return _Planner(recorded, wanted, readers_follow_names, mode).plan()


class _Planner:
    def __init__(self, recorded: Mapping[str, Recorded], wanted: State, readers_follow_names: bool, mode: Mode) -> None:
        self._recorded = recorded
        self._wanted = wanted
        self._by_name = readers_follow_names
        self._mode = mode
        self._known = _known_state(recorded, wanted)
        # A table only gains columns, so to its readers one whose text is unknown was as it is to be.
        tables = {n: o for n, o in wanted.items() if is_store(o) and n in recorded}
        before = ordered((tables | self._known).values())
        unknown = {name: record.sha256 for name, record in recorded.items() if name not in before}
        self._before = trace(before.values(), unknown)
        self._after = trace(wanted.values())
        self._replaced: set[str] = set()
        """Relations that another one takes the place of."""

    def plan(self) -> Plan:
        changes = [change for o in self._wanted.values() if (change := self._change(o)) is not None]
        gone = [name for name in reversed(self._known) if name not in self._wanted]
        gone += sorted(name for name in self._recorded if name not in self._wanted and name not in self._known)
        changes += [self._gone(name) for name in gone]
        again = [change for change in changes if _computes_again(change)]
        return Plan(tuple(changes), self._space(again), self._refill(again))

    def _change(self, sql_object: SqlObject) -> Change | None:
        record = self._recorded.get(sql_object.name)
        if record is None:
            return self._made(sql_object, Action.ADDED, "new in sql/")
        if not record.exists:
            return self._made(sql_object, Action.REPAIRED, "missing on the engine")
        if record.state == UNRECORDED:
            return self._made(sql_object, Action.REPAIRED, "on the engine, but not made by a migration")
        if record.state != READY:
            return self._made(sql_object, Action.REPAIRED, "only half made on the engine")
        if record.sha256 == fingerprint(sql_object):
            return self._affected(sql_object)
        if is_store(sql_object) or record.kind is Kind.TABLE:
            return self._altered(sql_object, record)
        return self._changed(sql_object)

    def _changed(self, sql_object: SqlObject) -> Change:
        old, new = _columns(self._before, sql_object.name), _columns(self._after, sql_object.name)
        if sql_object.kind is Kind.SINK or not old:
            return self._made(sql_object, Action.CHANGED, "its definition changed")
        gained = tuple(c for c in new if c not in old)
        lost = [c for c in old if c not in new]
        other = [c for c in old if c in new and new[c] != old[c]]
        unresolved = self._before[sql_object.name].unresolved or self._after[sql_object.name].unresolved
        parts = [f"adds {_some(list(gained))}"] if gained else []
        parts += [f"drops {_some(lost)}"] if lost else []
        if unresolved:
            parts.append(f"could not resolve its columns, {unresolved}: all count as changed")
        elif "" in other:
            parts.append("its rows may differ")
        elif other:
            parts.append(f"other values in {_some(other)}")
        reason = f"its definition changed: {'; '.join(parts) or 'all values stay'}"
        return self._made(sql_object, Action.CHANGED, reason, added_columns=gained)

    def _affected(self, sql_object: SqlObject) -> Change | None:
        """Return how an object with an unchanged statement follows its inputs, None when it need not."""
        if is_store(sql_object):
            return None
        causes = self._causes(sql_object)
        replaced = sorted(sql_object.inputs & self._replaced)
        unresolved = self._before[sql_object.name].unresolved or self._after[sql_object.name].unresolved
        if causes and unresolved:
            reason = f"could not resolve its columns ({unresolved}): counts as changed"
        elif causes:
            reason = f"reads {_some([c.replace('.*', ', where rows differ') for c in causes])}"
        elif replaced and self._mode is Mode.IN_PLACE:
            reason = f"reads {_some(replaced)}, which is dropped first"
        elif replaced and not self._by_name:
            reason = f"keeps reading the old {_some(replaced)}"
        elif replaced and sql_object.kind is Kind.VIEW:
            reason = f"is created again on the new {_some(replaced)}"
        else:
            return None
        return self._made(sql_object, Action.REBUILT, reason, because_of=tuple(causes), values_differ=bool(causes))

    def _made(
        self,
        sql_object: SqlObject,
        action: Action,
        reason: str,
        *,
        because_of: tuple[str, ...] = (),
        added_columns: tuple[str, ...] = (),
        values_differ: bool = True,
    ) -> Change:
        name = sql_object.name
        record = self._recorded.get(name)
        if record is not None and not is_store(sql_object):
            self._replaced.add(name)
        reason += "; replaces candlewave's own" if sql_object.replaces else ""
        resends: bool | None = None
        if sql_object.kind is Kind.SINK:  # in place nobody hears of what changes while it is missing
            resends = values_differ or not _is_keyed(sql_object) or self._mode is Mode.IN_PLACE
        if resends is not None:
            reason += "; every row is sent" if resends else "; nothing is sent again"
            reason += " again" if resends and action is not Action.ADDED else ""
        return Change(
            name,
            sql_object.kind,
            action,
            reason,
            because_of=because_of,
            old_text=self._known[name].text if name in self._known else None,
            new_text=sql_object.text,
            added_columns=added_columns,
            rows=record.rows if record else None,
            seconds=record.seconds if record else None,
            resends=resends,
            cheap=sql_object.kind is Kind.VIEW,
        )

    def _altered(self, sql_object: SqlObject, record: Recorded) -> Change:
        name = sql_object.name
        if record.kind is not sql_object.kind:
            raise _refusal(name, f"it is a {record.kind} and would become a {sql_object.kind}")
        old = self._known.get(name)
        columns = added_columns(old, sql_object) if old else ()
        reason = _altered_reason(columns) if old else "its definition changed since candlewave 0.1.0"
        return Change(
            name,
            sql_object.kind,
            Action.ALTERED,
            reason,
            old_text=old.text if old else None,
            new_text=sql_object.text,
            added_columns=tuple(column.name for column in columns),
            rows=record.rows,
            cheap=True,
        )

    def _gone(self, name: str) -> Change:
        record = self._recorded[name]
        old_text = self._known[name].text if name in self._known else None
        if record.kind is Kind.TABLE:
            reason = "no longer in sql/; the table stays with its rows"
            return Change(name, record.kind, Action.ABANDONED, reason, old_text=old_text, rows=record.rows, cheap=True)
        return Change(
            name, record.kind, Action.REMOVED, "no longer in sql/", old_text=old_text, rows=record.rows, cheap=True
        )

    def _causes(self, sql_object: SqlObject) -> list[str]:
        """Return what the object reads that has other values now: ``input.column``, or ``input.*`` for other rows."""
        reads = self._before[sql_object.name].reads
        if sql_object.kind is not Kind.SINK:  # a new column of what it sends is no reason to send the others again
            reads |= self._after[sql_object.name].reads
        differing = {
            (name, column)
            for name, column in reads
            if _columns(self._before, name).get(column) != _columns(self._after, name).get(column)
        }
        whole = {name for name, column in differing if not column}
        return sorted({f"{name}.*" if name in whole else f"{name}.{column}" for name, column in differing})

    def _space(self, again: Iterable[Change]) -> int | None:
        if self._mode is Mode.IN_PLACE:
            return 0
        sizes = [self._recorded[change.name].bytes for change in again]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def _refill(self, again: Iterable[Change]) -> tuple[str, ...]:
        trades = self._wanted.get("trades")
        connector = trades.statement.connector if trades else None
        if connector is None or "retention_seconds" not in connector.properties:
            return ()
        return tuple(change.name for change in again if "trades" in self._wanted[change.name].inputs)


def added_columns(before: SqlObject, after: SqlObject) -> tuple[Column, ...]:
    """Return the columns that a table gained.

    Raises:
        StoreChangeError: anything else about it changed.
    """
    name = before.name
    if before.kind is not after.kind:
        raise _refusal(name, f"it is a {before.kind} and would become a {after.kind}")
    old, new = before.statement, after.statement
    kept = {column.name: column.type for column in new.columns}
    for column in old.columns:
        if column.name not in kept:
            raise _refusal(name, f"column {column.name} is gone")
        if kept[column.name] != column.type:
            raise _refusal(name, f"column {column.name} was {column.type} and would become {kept[column.name]}")
    if old.primary_key != new.primary_key:
        raise _refusal(name, f"the primary key was ({_list(old.primary_key)}) and would be ({_list(new.primary_key)})")
    if (old.append_only, old.on_conflict) != (new.append_only, new.on_conflict):
        raise _refusal(name, "which row of a key wins (APPEND ONLY, ON CONFLICT) would change")
    if old.includes != new.includes:
        raise _refusal(name, "the INCLUDE columns would change")
    if old.connector != new.connector:
        old_with = dict(old.connector.properties) if old.connector else {}
        new_with = dict(new.connector.properties) if new.connector else {}
        differing = [key for key in (*old_with, *new_with) if old_with.get(key) != new_with.get(key)]
        what = "FORMAT or ENCODE"
        if differing:
            key = differing[0]
            what = f"{key} was {old_with.get(key)} and would be {new_with.get(key)}"
        raise _refusal(name, f"its connector would change: {what}")
    known = {column.name for column in old.columns}
    return tuple(column for column in new.columns if column.name not in known)


def _known_state(recorded: Mapping[str, Recorded], wanted: State) -> State:
    """Return what the engine was made from, as far as it is known: by its text, or because it equals what is wanted."""
    known = []
    for name, record in recorded.items():
        if record.text is not None:
            known.append(from_text(record.text))
        elif name in wanted and fingerprint(wanted[name]) == record.sha256:
            known.append(wanted[name])
    return ordered(known)


def _columns(lineages: Mapping[str, Lineage], name: str) -> Mapping[str, str]:
    return lineages[name].columns if name in lineages else {}


def _is_keyed(sink: SqlObject) -> bool:
    """Tell whether a sink writes a row over the earlier one of its key, so that two of them may work for a moment."""
    connector = sink.statement.connector
    if connector is None or "primary_key" not in connector.properties:
        return False
    return connector.format == "UPSERT" or connector.properties.get("connector") == "elasticsearch"


def _computes_again(change: Change) -> bool:
    """Tell whether rows that exist are computed again."""
    return change.kind is Kind.MATERIALIZED_VIEW and change.action in (
        Action.CHANGED, Action.REBUILT, Action.REPAIRED
    )  # fmt: skip


def _refusal(name: str, what: str) -> StoreChangeError:
    return StoreChangeError(
        f"{name}: {what}. The rows of a table cannot be computed again, so a table only gains columns. "
        "Leave its definition as it was, or create a table with another name."
    )


def _altered_reason(columns: tuple[Column, ...]) -> str:
    if not columns:
        return "the same columns in another order; nothing is altered"
    return "gains " + ", ".join(f"{column.name} {column.type}" for column in columns)


def _some(names: list[str], limit: int = 4) -> str:
    """Return names for a sentence, only the first few of many."""
    if len(names) > limit + 1:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return ", ".join(names)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
