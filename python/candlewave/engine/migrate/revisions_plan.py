"""What must happen to get from one state of the SQL objects to another."""

from dataclasses import dataclass
from enum import StrEnum

from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.state import State, is_store
from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep, Step
from candlewave.sqlproject.ddl import Column, Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import SqlObject, downstream


class StoreChangeError(MigrationError):
    """A table's definition changed in a way that ALTER TABLE … ADD COLUMN cannot express."""


class Action(StrEnum):
    """What happens to an object."""

    CREATED = "created"
    ALTERED = "altered"
    REBUILT = "rebuilt"
    DROPPED = "dropped"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Change:
    """One object's part in a plan, with the reason in words."""

    name: str
    kind: Kind
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they are made, and the steps of both directions."""

    changes: tuple[Change, ...]
    upgrade: tuple[Step, ...]
    downgrade: tuple[Step, ...]
    rereads_trades: tuple[str, ...]
    """Existing views that are computed again from ``trades``, so from what has not expired."""


def make_plan(before: State, after: State) -> Plan:
    """Plan the way from ``before`` to ``after``.

    A changed view is rebuilt with everything that reads it: an engine drops nothing that is still read, and a view
    keeps reading what it was made on. A table only ever gains columns.

    Raises:
        StoreChangeError: a table changed in another way.
    """
    changed = {name for name in before.keys() & after.keys() if fingerprint(before[name]) != fingerprint(after[name])}
    altered: dict[str, tuple[Column, ...]] = {}
    for name in sorted(changed):
        if is_store(before[name]) or is_store(after[name]):
            altered[name] = added_columns(before[name], after[name])
    created = [name for name in after if name not in before]
    removed = {name for name in before if name not in after}
    abandoned = {name for name in removed if is_store(before[name])}
    dropped = removed - abandoned
    edited = changed - altered.keys()
    reached = downstream(list(before.values()), edited | dropped)
    rebuilt = {name for name in reached if name in before and name in after and not is_store(after[name])}

    changes = [Change(n, before[n].kind, Action.DROPPED, "no longer in sql/") for n in reversed(before) if n in dropped]
    changes += [Change(n, after[n].kind, Action.ALTERED, _altered_reason(columns)) for n, columns in altered.items()]
    for name, sql_object in after.items():
        if name in rebuilt:
            changes.append(Change(name, sql_object.kind, Action.REBUILT, _rebuilt_reason(sql_object, edited, rebuilt)))
        elif name in created:
            changes.append(Change(name, sql_object.kind, Action.CREATED, _created_reason(sql_object)))
    changes += [
        Change(n, before[n].kind, Action.ABANDONED, "no longer in sql/; the table stays with its rows")
        for n in sorted(abandoned)
    ]
    upgrade: list[Step] = [Drop(str(before[n].kind), n) for n in reversed(before) if n in rebuilt | dropped]
    upgrade += [
        Add(after[n].text, tuple(c.name for c in columns)) if columns else Keep(after[n].text)
        for n, columns in altered.items()
    ]
    upgrade += [Create(o.text) for n, o in after.items() if n in rebuilt or n in created]
    upgrade += [Abandon(n) for n in sorted(abandoned)]
    downgrade: list[Step] = [Drop(str(after[n].kind), n) for n in reversed(after) if n in rebuilt or n in created]
    downgrade += [Keep(before[n].text) for n in altered]
    downgrade += [Create(o.text) for n, o in before.items() if n in rebuilt | removed]
    rereads = tuple(n for n, o in after.items() if n in rebuilt and "trades" in o.inputs)
    return Plan(tuple(changes), tuple(upgrade), tuple(downgrade), rereads)


def make_all(state: State) -> tuple[Step, ...]:
    """Return the steps that would make every view anew; the runner skips those that are as they should be."""
    drops = [Drop(str(o.kind), o.name) for o in reversed(state.values()) if not is_store(o)]
    return (*drops, *(Create(o.text) for o in state.values()))


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


def _refusal(name: str, what: str) -> StoreChangeError:
    return StoreChangeError(
        f"{name}: {what}. Its rows cannot be computed again, so a migration only adds columns to it. "
        "Leave the definition as it was, or make a table of another name; for a database that does not exist yet, "
        "`candlewave migration --new-database` starts a branch of your own with this definition."
    )


def _altered_reason(columns: tuple[Column, ...]) -> str:
    if not columns:
        return "the same columns in another order; nothing is altered"
    return "adds " + ", ".join(f"{column.name} {column.type}" for column in columns)


def _created_reason(sql_object: SqlObject) -> str:
    return "new in sql/; every row is sent" if sql_object.kind is Kind.SINK else "new in sql/"


def _rebuilt_reason(sql_object: SqlObject, edited: set[str], rebuilt: set[str]) -> str:
    if sql_object.name in edited:
        reason = "its definition changed"
    else:
        reason = f"reads {_list(sorted(sql_object.inputs & rebuilt))}"
    if sql_object.kind is Kind.SINK:
        reason += "; every row is sent again"
    return reason


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
