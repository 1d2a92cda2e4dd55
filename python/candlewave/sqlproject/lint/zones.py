"""How far in time a changed input row reaches, worked out from a query.

For each relation the analysis keeps bounds on differences of times: between two columns of a row, and between a column
and the time of any input row that the row is made of. A tumbling window, a frame, a fill or a join shifts or widens
them. What comes out for the output's time column is what the header's footprint must contain.

It is worked out for one timeframe at a time, so that bars are seconds. A frame of n rows counts as n bars; with holes
it reaches further back in time, and how far that matters only the query's author knows. So the result is what a
footprint must contain at least.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp, parse_one

from candlewave.sqlproject.header import Header
from candlewave.sqlproject.lint.frames import UNIT_SECONDS, Frames, interval_microseconds
from candlewave.sqlproject.lint.relations import Branch, Relation, conjuncts

INFINITE = math.inf
_INPUT = "@"
_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_MICROSECOND = 1

Offsets = list[tuple[str, float, float]]
"""A time as [variable + least, variable + most] for some variables."""

_Naming = Callable[[exp.Column], str]


@dataclass
class Zone:
    """Bounds ``x - y <= bound`` and the grid that each time lies on, in microseconds (integers, unless infinite).

    Variables are column names, or ``alias.column`` inside a SELECT; ``@input`` is the time of an input row.
    """

    bounds: dict[tuple[str, str], float] = field(default_factory=dict)
    grains: dict[str, int] = field(default_factory=dict)

    def bound(self, x: str, y: str) -> float:
        """Return the known bound of x - y."""
        return 0 if x == y else self.bounds.get((x, y), INFINITE)

    def limit(self, x: str, y: str, bound: float) -> None:
        """Learn that x - y <= bound."""
        if x != y and bound < self.bound(x, y):
            self.bounds[x, y] = bound

    def place(self, name: str, offsets: Offsets) -> None:
        """Learn that a time lies between variables plus offsets."""
        for variable, least, most in offsets:
            self.limit(name, variable, most)
            self.limit(variable, name, -least)

    def close(self) -> None:
        """Draw all conclusions (shortest paths)."""
        names = self.variables()
        for via in names:
            for x in names:
                first = self.bound(x, via)
                if first < INFINITE:
                    for y in names:
                        self.limit(x, y, first + self.bound(via, y))

    def variables(self) -> list[str]:
        """Return every variable that a bound names."""
        return list(dict.fromkeys(name for pair in self.bounds for name in pair))

    def has_input(self, name: str) -> bool:
        """Tell whether rows are made of rows of an input."""
        return _INPUT + name in self.variables()

    def renamed(self, names: Mapping[str, str]) -> "Zone":
        """Return the bounds between the given variables, under new names."""
        bounds = {(names[x], names[y]): b for (x, y), b in self.bounds.items() if x in names and y in names}
        return Zone(bounds, {names[x]: g for x, g in self.grains.items() if x in names})

    def widened(self, other: "Zone") -> "Zone":
        """Return what holds in both. An input that only one of them has keeps that one's bounds."""
        mine, its = ({n for n in zone.variables() if n.startswith(_INPUT)} for zone in (self, other))
        result = Zone(grains={n: min(g, other.grains.get(n, g)) for n, g in self.grains.items()})
        for pair in self.bounds.keys() | other.bounds.keys():
            only_mine = any(n in mine - its for n in pair)
            only_its = any(n in its - mine for n in pair)
            bound = max(
                -INFINITE if only_its else self.bound(*pair),
                -INFINITE if only_mine else other.bound(*pair),
            )
            if bound < INFINITE:
                result.bounds[pair] = bound
        for name, grain in other.grains.items():
            result.grains.setdefault(name, grain)
        return result


def required_reach(zone: Zone, input_name: str, output_time: str) -> tuple[float, float]:
    """Return the least and the most of output time - input time, in seconds; infinite when nothing bounds it."""
    least, most = -zone.bound(_INPUT + input_name, output_time), zone.bound(output_time, _INPUT + input_name)
    return least / _SECOND, most / _SECOND


class Analysis:
    """Zones of an object's query.

    Args:
        header: declares inputs and their times.
        timeframe: the timeframe whose bars are looked at, None for objects without.
        frames: frames that count.
        clock: a clock whose movement is looked at, instead of changes of rows.
        of_object: zone of another object's columns.
    """

    def __init__(
        self,
        header: Header,
        timeframe: str | None,
        of_object: Callable[[str], Zone],
        frames: Frames,
        clock: str | None = None,
    ) -> None:
        self._footprints = {f.input: f for f in header.footprints if f.input_time}
        self._input_times = {
            name: parse_one(f.input_time or "", dialect="risingwave") for name, f in self._footprints.items()
        }
        self._timeframe = timeframe
        self._frames = frames
        self._clock = clock
        self._of_object = of_object
        self._known: dict[int, Zone] = {}

    def zone(self, relation: Relation) -> Zone:
        """Return the zone of a relation of the query."""
        if id(relation) not in self._known:
            self._known[id(relation)] = self._zone(relation)
        return self._known[id(relation)]

    def query_zone(self, relation: Relation) -> Zone:
        """Return the zone of the object's own query."""
        return self._united(relation)

    def _zone(self, relation: Relation) -> Zone:
        if relation.tumbled:
            return self._tumbled(relation)
        if relation.stored:
            return self._stored(relation.stored, relation)
        return self._united(relation)

    def _united(self, relation: Relation) -> Zone:
        zones = [self._branch(branch, relation) for branch in relation.branches if not self._is_other_bar(branch)]
        result = zones[0] if zones else Zone()
        for zone in zones[1:]:
            result = result.widened(zone)
        return result

    def _is_other_bar(self, branch: Branch) -> bool:
        """Tell whether a branch makes rows of another timeframe only: it has that one's name as a constant."""
        for output in branch.select.expressions:
            value = output.unalias()
            if output.output_name == "timeframe" and isinstance(value, exp.Literal):
                return self._timeframe is not None and value.name != self._timeframe
        return False

    def _stored(self, name: str, relation: Relation) -> Zone:
        known = self._of_object(name) if relation.branches else Zone()
        zone = known.renamed({n: n for n in {*known.variables(), *known.grains} if not n.startswith(_INPUT)})
        for column, type_ in relation.types.items():
            if type_.upper() == "TIMESTAMPTZ":
                zone.grains[column] = _MICROSECOND
        time = self._input_times.get(name)
        if time is not None:
            for part in time.find_all(exp.Column):
                zone.grains.setdefault(part.name, _MINUTE)
            zone.place(_INPUT + name, self._offsets(time, _bare, zone))
        zone.close()
        return zone

    def _tumbled(self, relation: Relation) -> Zone:
        tumbled = relation.tumbled
        assert tumbled is not None
        base = self.zone(tumbled.relation)
        zone = Zone(dict(base.bounds), dict(base.grains))
        size = self._length(tumbled.size)
        if size is not None:
            grain = zone.grains.get(tumbled.column, _MICROSECOND)
            zone.place("window_start", [(tumbled.column, -(size - min(grain, size)), 0)])
            zone.place("window_end", [(tumbled.column, min(grain, size), size)])
            zone.grains["window_start"] = zone.grains["window_end"] = size
        zone.close()
        return zone

    def _branch(self, branch: Branch, relation: Relation) -> Zone:
        zone = Zone()
        for alias, source in branch.sources.items():
            inner = self.zone(source)
            names = {n: n if n.startswith(_INPUT) else f"{alias}.{n}" for n in {*inner.variables(), *inner.grains}}
            part = inner.renamed(names)
            zone.bounds |= part.bounds
            zone.grains |= part.grains
        name_of = _namer(branch)
        clauses = [join.args.get("on") for join in branch.joins]
        clauses += [c.this for c in (branch.select.args.get("where"), branch.select.args.get("having")) if c]
        for clause in clauses:
            for condition in conjuncts(clause):
                self._learn(condition, branch, zone)
        zone.close()
        if not branch.group:
            zone = self._spread(branch, zone, name_of)
        return self._outputs(branch, relation, zone, name_of)

    def _outputs(self, branch: Branch, relation: Relation, zone: Zone, name_of: _Naming) -> Zone:
        kept: dict[str, str] = {name: name for name in zone.variables() if name.startswith(_INPUT)}
        for column, output in zip(relation.columns, branch.outputs, strict=True):
            offsets = self._offsets(output, name_of, zone)
            offsets += [(_INPUT + name, 0, 0) for name in self._spelt_times(output, branch)]
            if offsets:
                name = f"->{column}"
                zone.place(name, offsets)
                zone.grains[name] = self._grain(output, name_of, zone)
                kept[name] = column
        zone.close()
        return zone.renamed(kept)

    def _spelt_times(self, output: exp.Expr, branch: Branch) -> list[str]:
        """Return the inputs whose declared time is an expression, such as least(ts, ingest_ts), that this output is."""
        read = {source.stored for source in branch.sources.values()}
        return [
            name
            for name, time in self._input_times.items()
            if name in read and time == output and not isinstance(time, exp.Column)
        ]

    def _learn(self, condition: exp.Expr, branch: Branch, zone: Zone) -> None:
        name_of = _namer(branch)
        if isinstance(condition, exp.LTE | exp.LT | exp.EQ):
            self._learn_order(condition.this, condition.expression, name_of, zone)
        if isinstance(condition, exp.GTE | exp.GT | exp.EQ):
            self._learn_order(condition.expression, condition.this, name_of, zone)
        if isinstance(condition, exp.LTE | exp.LT | exp.GTE | exp.GT):
            for side, other in (
                (condition.this, condition.expression),
                (condition.expression, condition.this),
            ):
                if isinstance(side, exp.Subquery):
                    self._learn_clock(side, other, name_of, zone)

    def _learn_order(self, low: exp.Expr, high: exp.Expr, name_of: _Naming, zone: Zone) -> None:
        """Learn that low <= high."""
        for below, least, _ in self._offsets(low, name_of, zone):
            for above, _, most in self._offsets(high, name_of, zone):
                zone.limit(below, above, most - least)
                self._learn_least(below, above, most - least, zone)

    def _learn_least(self, below: str, above: str, distance: float, zone: Zone) -> None:
        """With an input time least(a, b) and a <= b + distance, a is at most that much after it."""
        names = {below.rpartition(".")[2], above.rpartition(".")[2]}
        for name, time in self._input_times.items():
            if isinstance(time, exp.Least) and {c.name for c in time.find_all(exp.Column)} == names and distance >= 0:
                zone.limit(below, _INPUT + name, distance)

    def _learn_clock(self, subquery: exp.Subquery, other: exp.Expr, name_of: _Naming, zone: Zone) -> None:
        """Take rows at the edge of a comparison with a clock as made of the clock: they come and go with it."""
        select = subquery.this
        table = select.find(exp.Table)
        footprint = self._footprints.get(table.name) if table else None
        if footprint is None or footprint.input != self._clock or len(select.expressions) != 1:
            return
        clock = _INPUT + footprint.input
        inside = Zone(grains={footprint.input_time or "": _MINUTE})
        for variable, least, most in self._offsets(other, name_of, zone):
            for _, shift_least, shift_most in self._offsets(select.expressions[0].unalias(), _bare, inside):
                zone.limit(variable, clock, shift_most - least)
                zone.limit(clock, variable, most - shift_least)

    def _is_clock(self, variable: str, zone: Zone) -> bool:
        """Tell whether a variable is the value of the clock whose movement is looked at."""
        clock = _INPUT + (self._clock or "")
        return self._clock is not None and zone.bound(variable, clock) == 0 == zone.bound(clock, variable)

    def _spread(self, branch: Branch, zone: Zone, name_of: _Naming) -> Zone:
        """Let each row be made of the rows in its frames, too."""
        inputs = [name for name in zone.variables() if name.startswith(_INPUT)]
        others = [name for name in {*zone.variables(), *zone.grains} if name not in inputs]
        result = zone
        for frame in self._frames if inputs else ():
            if frame.branch != id(branch):
                continue
            # The row that reads has its variables primed; the row that is read brings the inputs along.
            both = Zone(dict(zone.bounds) | zone.renamed({name: name + "'" for name in others}).bounds)
            time = _variable(frame.order, name_of)
            if time in zone.grains:
                step = 1 if frame.timed else zone.grains[time]
                both.place(time + "'", [(time, -frame.after * step, frame.before * step)])
            for column in frame.partition:
                same = _variable(column, name_of)
                if same in zone.grains:
                    both.place(same + "'", [(same, 0, 0)])
            both.close()
            back = {name + "'": name for name in others} | {name: name for name in inputs}
            result = result.widened(both.renamed(back))
        result.grains = zone.grains
        return result

    def _offsets(self, node: exp.Expr, name_of: _Naming, zone: Zone) -> Offsets:
        """Return a time expression in terms of variables; empty when it is not known."""
        node = node.unnest()
        match node:
            case exp.Column():
                return [(name_of(node), 0, 0)] if name_of(node) in zone.grains else []
            case exp.Cast() | exp.Alias():
                return self._offsets(node.this, name_of, zone)
            case exp.Add() | exp.Sub():
                return self._shifted(node, name_of, zone)
            case exp.TimestampTrunc() | exp.DateTrunc() | exp.DateBin():
                return self._binned(node, name_of, zone)
            case exp.Greatest() | exp.Least():
                parts = [self._all_offsets(part, name_of, zone) for part in (node.this, *node.expressions)]
                return list(_extreme(parts, greatest=isinstance(node, exp.Greatest)))
            case exp.Coalesce():
                return list(_hull([self._all_offsets(part, name_of, zone) for part in (node.this, *node.expressions)]))
            case exp.Case():
                return list(_hull([self._all_offsets(part, name_of, zone) for part in self._choices(node)]))
            case exp.GenerateSeries() | exp.ExplodingGenerateSeries():
                start = self._offsets(node.args["start"], name_of, zone)
                end = self._offsets(node.args["end"], name_of, zone)
                # A fill up to a clock moves at its end with the clock.
                return [(v, least, INFINITE) for v, least, _ in start] + [
                    (v, most if self._is_clock(v, zone) else -INFINITE, most) for v, _, most in end
                ]
        return []

    def _all_offsets(self, node: exp.Expr, name_of: _Naming, zone: Zone) -> Offsets:
        """As _offsets, for every variable that the zone relates to those that the expression names."""
        named = self._offsets(node, name_of, zone)
        if not named:
            return []
        return [
            (
                variable,
                max(least - zone.bound(variable, v) for v, least, _ in named),
                min(most + zone.bound(v, variable) for v, _, most in named),
            )
            for variable in dict.fromkeys([*(v for v, _, _ in named), *zone.variables()])
        ]

    def _shifted(self, node: exp.Add | exp.Sub, name_of: _Naming, zone: Zone) -> Offsets:
        distance = self._length(node.expression)
        time = node.this
        if distance is None and isinstance(node, exp.Add):
            distance, time = self._length(node.this), node.expression
        if distance is None:
            return []
        shift = -distance if isinstance(node, exp.Sub) else distance
        return [(v, least + shift, most + shift) for v, least, most in self._offsets(time, name_of, zone)]

    def _binned(self, node: exp.Expr, name_of: _Naming, zone: Zone) -> Offsets:
        time, size = self._bin(node)
        if size is None:
            return []
        slack = size - min(self._grain(time, name_of, zone), size)
        return [(v, least - slack, most) for v, least, most in self._offsets(time, name_of, zone)]

    def _bin(self, node: exp.Expr) -> tuple[exp.Expr, int | None]:
        if isinstance(node, exp.DateBin):
            return node.expression, self._length(node.this)
        unit = UNIT_SECONDS.get(node.args["unit"].name.upper())
        return node.this, None if unit is None else unit * _SECOND

    def _grain(self, node: exp.Expr, name_of: _Naming, zone: Zone) -> int:
        """Return the grid that a time lies on."""
        node = node.unnest()
        match node:
            case exp.Column():
                return zone.grains.get(name_of(node), _MICROSECOND)
            case exp.TimestampTrunc() | exp.DateTrunc() | exp.DateBin():
                return self._bin(node)[1] or _MICROSECOND
            case exp.Add() | exp.Sub():
                distance = self._length(node.expression)
                return math.gcd(self._grain(node.this, name_of, zone), distance or _MICROSECOND)
            case exp.GenerateSeries() | exp.ExplodingGenerateSeries():
                step = self._length(node.args["step"]) if node.args.get("step") else None
                return math.gcd(self._grain(node.args["start"], name_of, zone), step or _MICROSECOND)
            case exp.Case():
                return min(self._grain(part, name_of, zone) for part in self._choices(node))
            case exp.Greatest() | exp.Least() | exp.Coalesce():
                return min(self._grain(part, name_of, zone) for part in (node.this, *node.expressions))
            case exp.Cast():
                return self._grain(node.this, name_of, zone)
        return _MICROSECOND

    def _choices(self, node: exp.Case) -> list[exp.Expr]:
        """Return the values that a CASE can have for this timeframe."""
        branches = node.args["ifs"]
        subject = node.this
        if isinstance(subject, exp.Column) and subject.name == "timeframe" and self._timeframe is not None:
            branches = [b for b in branches if isinstance(b.this, exp.Literal) and b.this.name == self._timeframe]
        values: list[exp.Expr] = [branch.args["true"] for branch in branches]
        default = node.args.get("default")
        return values + ([default] if default is not None else [])

    def _length(self, node: exp.Expr) -> int | None:
        """Return the length of an interval expression in microseconds; None when it is not constant."""
        node = node.unnest()
        match node:
            case exp.Interval():
                return interval_microseconds(node)
            case exp.Mul():
                for factor, interval in ((node.this, node.expression), (node.expression, node.this)):
                    length = self._length(interval)
                    if length is not None and isinstance(factor, exp.Literal) and not factor.is_string:
                        return round(float(factor.this) * length)
            case exp.Case():
                lengths = {self._length(part) for part in self._choices(node)}
                return lengths.pop() if len(lengths) == 1 else None
            case exp.Cast():
                return self._length(node.this)
        return None


def _variable(column: str, name_of: _Naming) -> str:
    node = parse_one(column, dialect="risingwave") if column else None
    return name_of(node) if isinstance(node, exp.Column) else ""


def _bare(column: exp.Column) -> str:
    return column.name


def _namer(branch: Branch) -> _Naming:
    return lambda column: f"{branch.source_of(column)}.{column.name}"


def _extreme(parts: list[Offsets], *, greatest: bool) -> Iterable[tuple[str, float, float]]:
    """Bound the greatest (least) of several times: by each from one side, by all together from the other."""
    for variable in dict.fromkeys(v for part in parts for v, _, _ in part):
        known = [[(least, most) for v, least, most in part if v == variable] for part in parts]
        everywhere = all(known)
        leasts = [least for options in known for least, _ in options]
        mosts = [most for options in known for _, most in options]
        if greatest:
            yield variable, max(leasts), max(mosts) if everywhere else INFINITE
        else:
            yield variable, min(leasts) if everywhere else -INFINITE, min(mosts)


def _hull(parts: list[Offsets]) -> Iterable[tuple[str, float, float]]:
    """Bound a time that is one of several: by what all of them are bounded by. Constants and NULLs bound nothing."""
    for variable in dict.fromkeys(v for part in parts for v, _, _ in part):
        known = [[(least, most) for v, least, most in part if v == variable] for part in parts]
        if all(known):
            yield (
                variable,
                min(least for options in known for least, _ in options),
                max(most for options in known for _, most in options),
            )
