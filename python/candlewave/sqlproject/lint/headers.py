"""Rules about headers: what an object says about itself is complete and true."""

import math
from collections.abc import Iterator

from sqlglot import exp

from candlewave.contracts.services import SERVICES
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.header import Footprint, Reach
from candlewave.sqlproject.lint.frames import Frames
from candlewave.sqlproject.lint.model import Finding, Model, Project
from candlewave.sqlproject.lint.relations import ResolutionError
from candlewave.sqlproject.lint.rule import Rule, branches
from candlewave.sqlproject.lint.zones import Analysis, Zone, required_reach

KNOWN_READERS = frozenset(
    {
        *SERVICES,
        # commands, parts of services, and those outside
        "backfill", "replay", "plan", "doctor", "telemetry", "dashboard", "people", "any Kafka consumer",
    }
)  # fmt: skip


class HeaderSaysSomething(Rule):
    """A header has all its fields, and none is empty.

    Purpose, grain, keys, event time, what happens to late data, and who reads the object: what a reader would otherwise
    have to find out by reading the query, and what the embedded engine and the planner rely on.

    """

    code = "CW002"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find empty fields; a missing one is found when the header is read."""
        header = model.sql_object.header
        fields = {
            "purpose": header.purpose,
            "grain": header.grain,
            "keys": header.keys,
            "late data": header.late_data,
            "readers": header.readers,
        }
        for name, value in fields.items():
            if not value:
                yield model.finding(type(self), f"the header's '{name}' is empty", f"-- {name}:")


class KeysExist(Rule):
    """The declared keys and event time are columns of the object, and a table's or sink's keys are its primary key.

    The embedded engine makes the keys a primary key; footprints and golden cases tell rows apart by them.

    """

    code = "CW021"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find keys that are not columns, or differ from the primary key."""
        sql_object = model.sql_object
        header, statement = sql_object.header, sql_object.statement
        columns = _columns(model)
        for name in (*header.keys, *([header.event_time] if header.event_time else [])):
            if name not in columns:
                text = f"the header names {name}, which is not a column; columns are {', '.join(columns)}"
                yield model.finding(type(self), text, "-- keys:")
        declared: tuple[str, ...] | None = None
        if statement.kind is Kind.TABLE:
            declared = statement.primary_key
        elif statement.connector and "primary_key" in statement.connector.properties:
            declared = tuple(key.strip() for key in statement.connector.properties["primary_key"].split(","))
        if declared is not None and declared != header.keys:
            text = f"keys are {', '.join(header.keys)}, but the primary key is {', '.join(declared) or 'missing'}"
            yield model.finding(type(self), text, "-- keys:")


def _columns(model: Model) -> tuple[str, ...]:
    """Return the columns of an object; of a sink, those of what it sends."""
    statement = model.sql_object.statement
    name = statement.relation if statement.kind is Kind.SINK and statement.relation else model.name
    return model.project.resolver.relation(name).columns


class ReadersAreReal(Rule):
    """The readers that a header names exist and read the object, and every object that reads it is named.

    Before changing an object, look there for the readers to ask. What a project of its own adds or replaces is not
    candlewave's to name: its objects may read, or no longer read, whatever candlewave ships.
    """

    code = "CW022"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find readers that do not exist, do not read, or are not named."""
        objects = model.project.objects
        named = set(model.sql_object.header.readers)
        reading = {o.name for o in objects.values() if model.name in o.inputs}
        foreign = set() if model.sql_object.own else {o.name for o in objects.values() if o.own}
        for reader in sorted(named - foreign):
            if reader in objects and reader not in reading:
                yield model.finding(type(self), f"{reader} does not read it", "-- readers:")
            elif reader not in objects and reader not in KNOWN_READERS:
                text = f"reader {reader} is neither an object nor a known service"
                yield model.finding(type(self), text, "-- readers:")
        for reader in sorted(reading - named - foreign):
            yield model.finding(type(self), f"{reader} reads it, but the header does not name it", "-- readers:")


class FootprintPresent(Rule):
    """A materialized view has a footprint line for each of its inputs, and for nothing else, and each line fits.

    Without one the embedded engine recomputes the whole view at every change; with one for something that is not
    read it watches for nothing. So has a plain view that a sink reads, and no other: RisingWave sends what changes in
    it without keeping it, the embedded engine has to keep it to know what changes. Keys must be columns of both sides,
    but for those after `each`; all lines of a view have the same keys, except for `full`.
    """

    code = "CW023"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find inputs without a footprint, footprints without an input, and lines that do not fit."""
        sql_object = model.sql_object
        footprints = sql_object.header.footprints
        if not _is_kept(model):
            if footprints:
                text = f"a {sql_object.kind} is computed when read: it has no footprint"
                yield model.finding(type(self), text, "-- footprint:")
            return
        declared = [f.input for f in footprints]
        for name in sorted(sql_object.inputs - set(declared)):
            yield model.finding(type(self), f"input {name} has no footprint", "-- footprint:")
        for name in sorted(set(declared) - sql_object.inputs):
            yield model.finding(type(self), f"the footprint names {name}, which is not read", f"--   {name}")
        for footprint in footprints:
            for problem in self._problems(model, footprint):
                text = f"footprint of {footprint.input}: {problem}"
                yield model.finding(type(self), text, f"--   {footprint.input}")
        keys = {f.keys for f in footprints if f.reach is not Reach.FULL}
        if len(keys) > 1:
            yield model.finding(type(self), "footprints have different keys; use the shortest for all", "-- footprint:")

    def _problems(self, model: Model, footprint: Footprint) -> Iterator[str]:
        resolver = model.project.resolver
        output = resolver.relation(model.name).columns
        needed = [(footprint.key_source or footprint.input, footprint.keys)]
        if footprint.each:
            needed.append((footprint.input, footprint.input_keys))
        for key in footprint.keys:
            if key not in output:
                yield f"key {key} is not a column of {model.name}"
        for source, keys in needed:
            try:
                columns = resolver.relation(source).columns
            except ResolutionError as error:
                yield str(error)
                continue
            for key in keys:
                if key not in columns:
                    yield f"key {key} is not a column of {source}"
        if footprint.output_time and footprint.output_time not in output:
            yield f"{footprint.output_time} is not a column of {model.name}"
        if (footprint.lower.bars or footprint.upper.bars) and "timeframe" not in footprint.keys:
            yield "bars need timeframe among the keys"


def _is_kept(model: Model) -> bool:
    """Tell whether the embedded engine keeps the object's rows, because it is materialized or a sink sends them."""
    match model.sql_object.kind:
        case Kind.MATERIALIZED_VIEW:
            return True
        case Kind.VIEW:
            return any(o.kind is Kind.SINK and model.name in o.inputs for o in model.project.objects.values())
    return False


class FootprintTrue(Rule):
    """A footprint reaches at least as far as the query does.

    What a changed input row can change is worked out from the query: frames, lag and lead, tumbling windows, fills by
    generate_series, joins on shifted times, comparisons with a clock. If the header says less, the embedded engine
    leaves rows stale. A frame of n rows counts as n bars, for holes can make it longer without limit: what is worked
    out is the least that a footprint must say. A frame without a limit must be bounded by a time among its PARTITION
    BY, or the footprint be `all`. Windows and groups must also keep the footprint's keys apart.
    """

    code = "CW024"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find footprints that are smaller than the query's reach."""
        sql_object = model.sql_object
        if not _is_kept(model):
            return
        yield from self._keys_mixed(model)
        for footprint in sql_object.header.footprints:
            if footprint.output_time is not None and footprint.input in sql_object.inputs:
                yield from self._too_short(model, footprint)

    def _keys_mixed(self, model: Model) -> Iterator[Finding]:
        keys = {key for f in model.sql_object.header.footprints for key in f.keys}
        if not keys or model.relation is None:
            return
        for branch in branches(model.relation):
            groups = [("GROUP BY", {column.name for column in branch.group})] if branch.group else []
            for output in branch.outputs:
                for window in output.find_all(exp.Window):
                    groups.append(("PARTITION BY", {c.name for c in window.args.get("partition_by") or []}))
            for what, columns in groups:
                missing = sorted(keys - columns)
                if missing:
                    text = f"{what} {', '.join(sorted(columns))} mixes rows of different {', '.join(missing)}"
                    text += ", which the footprint keeps apart"
                    yield model.finding(type(self), text, branch.select)
                    break

    def _too_short(self, model: Model, footprint: Footprint) -> Iterator[Finding]:
        assert footprint.output_time is not None
        for timeframe, seconds in _bars(model):
            reach = _reach(model, footprint, timeframe)
            if reach is None:
                continue
            least, most = reach
            lower, upper = (bound.longest_seconds(seconds) for bound in (footprint.lower, footprint.upper))
            if footprint.reach is Reach.TUMBLE:
                lower, upper = -upper, upper
            if footprint.is_clock and least != most:
                most = upper  # how late a row can be that a clock lets in is another matter: only the edge moves
            if least < lower or most > upper:
                bars = f" for timeframe {timeframe}" if timeframe else ""
                text = (
                    f"footprint of {footprint.input}{bars}: {footprint.output_time} lies within"
                    f" [{_shown(least)}, {_shown(most)}] of {footprint.input_time}, the header says less"
                )
                yield model.finding(type(self), text, f"--   {footprint.input}")
                return


def _bars(model: Model) -> list[tuple[str | None, int]]:
    """Return the timeframes of an object with the seconds of a bar; one without name for objects without."""
    if "timeframe" not in model.sql_object.header.keys:
        return [(None, 60)]
    return list(model.project.timeframe_seconds.items())


def _reach(model: Model, footprint: Footprint, timeframe: str | None) -> tuple[float, float] | None:
    """Return the least and the most of output time - input time, in seconds, over all output columns.

    None when no row of the timeframe is made of the input.
    """
    assert footprint.output_time is not None
    found: list[tuple[float, float]] = []
    for frames in model.frames:
        zone = _zone(model.project, model.name, timeframe, frames, footprint.input if footprint.is_clock else None)
        if zone.has_input(footprint.input):
            found.append(required_reach(zone, footprint.input, footprint.output_time))
    return (min(least for least, _ in found), max(most for _, most in found)) if found else None


def _zone(project: Project, name: str, timeframe: str | None, frames: Frames, clock: str | None) -> Zone:
    sql_object = project.objects[name]
    own = timeframe if "timeframe" in sql_object.header.keys else None
    key = (name, own, frames, clock)
    if key not in project.zones:
        analysis = Analysis(
            sql_object.header, own, lambda other: _zone(project, other, own, frozenset(), None), frames, clock
        )
        project.zones[key] = analysis.query_zone(project.resolver.relation(name))
    return project.zones[key]


def _shown(seconds: float) -> str:
    if math.isinf(seconds):
        return "no limit"
    sign = "-" if seconds < 0 else "+" if seconds > 0 else ""
    amount = abs(seconds)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if amount and amount % length == 0:
            count = int(amount // length)
            return f"{sign}{count} {unit}{'s' * (count != 1)}"
    return f"{sign}{amount:g} seconds" if amount else "0"
