"""Indicators as entries, ``[[indicators.own]]`` in ``candlewave.toml``: their columns, and the SQL that all share.

Each entry is the file of its kind, rendered with its parameters; the steps of all are put side by side, so that view
``own_indicators`` has as many as the longest kind.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from jinja2 import Environment, TemplateError

from candlewave.core.config import TIMEFRAME_SECONDS, Config, OwnIndicator
from candlewave.core.errors import CandlewaveError
from candlewave.core.paths import sql_folders
from candlewave.sqlproject.catalog.indicators import Indicator, Kind, catalog, warm_up_bars
from candlewave.sqlproject.catalog.kinds import (
    FOLDER,
    PRICES,
    SUFFIX,
    Column,
    Computed,
    IndicatorKind,
    KindError,
    computed,
    read_kinds,
    rows_before,
    with_names,
)
from candlewave.sqlproject.catalog.smoothing import (
    CHUNK_BARS,
    Smoothing,
    Term,
    checked,
    double,
    mean_weights,
    wilder,
)
from candlewave.sqlproject.environment import template_environment

VIEW = "own_indicators"
"""The view that has the columns of entries."""
_LONGEST_NAME = 55
"""Of a column: of its feature the timeframe follows, and PostgreSQL cuts names at 63."""
_GIVEN = frozenset({
    "exchange", "symbol", "timeframe", "open_time", "bar_index", "open", "high", "low", "close", "volume", "turnover",
    "buy_volume", "previous_open", "previous_high", "previous_low", "previous_close", "chunk_start", "chunk_position",
})  # fmt: skip
"""Columns of ``bars``; the totals that smoothings need come in addition."""


class OwnIndicatorError(CandlewaveError, ValueError):
    """An entry cannot be used; the text names it, what was found and what is expected."""


@dataclass(frozen=True)
class Entry:
    """An entry with what its kind's file says of it.

    Attributes:
        parameters: all, those that were left out with their defaults.
        price: what is averaged, None when that is no choice.
        terms: running sums that it needs.
        inputs: SQL of what they add up, by name.
    """

    given: OwnIndicator
    kind: IndicatorKind
    parameters: Mapping[str, float]
    price: str | None
    computed: Computed
    terms: tuple[Term, ...]
    inputs: Mapping[str, str]

    @property
    def suffix(self) -> str:
        """What names of columns end with: the parameters in the kind's order, and a price other than the usual one."""
        parts = [f"{value:g}".replace(".", "_") for value in self.parameters.values()]
        if self.price != self.kind.price:
            parts.append(str(self.price))
        return "".join(f"_{part}" for part in parts)

    def column(self, column: Column) -> str:
        """Return the name of a column with its parameters."""
        return f"{column.name}{self.suffix}"

    @cached_property
    def indicators(self) -> tuple[Indicator, ...]:
        """Its columns, as the catalogue lists them."""
        c = self.computed
        kind = Kind.WINDOW if c.warm_up is None else Kind.EXPONENTIAL
        warm_up = c.bars if c.warm_up is None else c.warm_up
        return tuple(
            Indicator(
                self.column(column),
                kind,
                column.unit,
                dict(self.parameters),
                c.bars,
                warm_up,
                c.talib,
                c.source,
                _note(column, c.null, self.given),
                VIEW,
                self.given.timeframes,
            )
            for column in c.columns
        )


def _reach(entry: Entry) -> int:
    widest = [max(rows_before(value) for _, value in step.columns) for step in entry.computed.steps]
    return max(widest[0], entry.computed.bars - 1) + sum(widest[1:])


def _note(column: Column, null: str, given: OwnIndicator) -> str:
    parts = [f"{column.meaning}.", "Never NULL once there are the bars." if null == "never" else f"NULL {null}."]
    if given.timeframes is not None:
        parts.append(f"Of {', '.join(given.timeframes)} only.")
    return " ".join(parts)


@dataclass(frozen=True)
class OwnIndicators:
    """All entries of a configuration; the templates of ``sql/views/indicators`` see them as ``layer.own``.

    Args:
        folders: ``sql`` folders whose kinds entries may name.
    """

    config: Config
    folders: tuple[Path, ...]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, in the file's order.

        Raises:
            OwnIndicatorError: one names no kind, has wrong parameters, or makes a column that there is already.
            KindError: the file of a kind cannot be read.
        """
        if not self.config.indicators.own:
            return ()
        entries = tuple(_read(self.config, self.folders, self.config.indicators.own))
        taken = dict.fromkeys((i.name for i in catalog(self.config.indicators)), "the short form of [indicators]")
        for number, entry in enumerate(entries, 1):
            for name in (indicator.name for indicator in entry.indicators):
                if name in taken:
                    raise _refused(number, entry.given, f"column {name} is there already, of {taken[name]}")
                if len(name) > _LONGEST_NAME:
                    raise _refused(number, entry.given, f"column {name} has more than {_LONGEST_NAME} letters")
                taken[name] = f"entry {number}; name all timeframes and prices in one"
        return entries

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """Columns of the view, in order."""
        return tuple(indicator for entry in self.entries for indicator in entry.indicators)

    @cached_property
    def timeframes(self) -> tuple[str, ...]:
        """Those of which there are rows."""
        wanted = {t for entry in self.entries for t in entry.given.timeframes or self.config.candles.timeframes}
        return tuple(t for t in self.config.candles.timeframes if t in wanted)

    @property
    def all_timeframes(self) -> bool:
        """True when every configured timeframe has rows."""
        return len(self.timeframes) == len(self.config.candles.timeframes)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Running sums of the smoothings, without repetition."""
        return checked(dict.fromkeys(term for entry in self.entries for term in entry.terms))

    @cached_property
    def smoothings(self) -> tuple[Smoothing, ...]:
        """Smoothings, without repetition."""
        return tuple(dict.fromkeys(term.smoothing for term in self.terms))

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        """What running sums add up: SQL over a bar and the bar before it, by name.

        Raises:
            KindError: two kinds mean different things by a name.
        """
        found: dict[str, str] = {}
        for entry in self.entries:
            for name, value in entry.inputs.items():
                if found.setdefault(name, value) != value:
                    raise KindError(f"{entry.kind.file}: {name} is {value} here and {found[name]} elsewhere")
        return {name: value for name, value in found.items() if name != value}

    @property
    def carried_chunks(self) -> int:
        """Chunks that the carry reaches back."""
        return max(smoothing.carried_chunks for smoothing in self.smoothings)

    @cached_property
    def frame_bars(self) -> int:
        """Bars before a bar that windows read: of each entry, the widest of every step, one after the other."""
        return max(1, *(_reach(entry) for entry in self.entries))

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """Numbers of bars without a hole that columns wait for."""
        return tuple(sorted({entry.computed.bars for entry in self.entries} - {1}))

    @cached_property
    def steps(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """What each step adds to the one before, name and SQL; the same SQL is computed once for all entries.

        The first also says whether there are the bars that columns wait for.
        """
        return self._shared[0]

    @cached_property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The view's columns, name and SQL over the last step."""
        return self._shared[1]

    @cached_property
    def _shared(self) -> tuple[tuple[tuple[tuple[str, str], ...], ...], tuple[tuple[str, str], ...]]:
        names: list[dict[str, str]] = [{} for _ in self.entries]
        steps: list[tuple[tuple[str, str], ...]] = []
        known: dict[str, str] = {}
        parts = [entry.computed.steps[:-1] for entry in self.entries]
        for level in zip_longest(*parts):
            added: list[tuple[str, str]] = []
            for entry, mine, step in zip(self.entries, names, level, strict=True):
                fresh: dict[str, str] = {}
                for name, value in step.columns if step else ():
                    if name in mine or name in fresh or name in _GIVEN:
                        raise KindError(f"{entry.kind.file}: {name} is there already")
                    text = with_names(value, mine)
                    if text not in known:
                        known[text] = f"{entry.kind.name}{entry.suffix}_{name}"
                        added.append((known[text], text))
                    fresh[name] = known[text]
                mine |= fresh
            if added:
                steps.append(tuple(added))
        if self.windows and not steps:
            steps.append(())
        return tuple(steps), tuple(
            (entry.column(column), self._gated(entry, with_names(values[column.name], mine)))
            for entry, mine in zip(self.entries, names, strict=True)
            for values in [dict(entry.computed.steps[-1].columns)]
            for column in entry.computed.columns
        )

    def _gated(self, entry: Entry, value: str) -> str:
        """Return a value that is NULL where the bars are too few, or the timeframe is not the entry's."""
        conditions = []
        wanted = entry.given.timeframes
        if wanted is not None and set(wanted) != set(self.timeframes):
            conditions.append(f"timeframe IN ({', '.join(map(repr, wanted))})")
        if entry.computed.bars > 1:
            conditions.append(f"unbroken_{entry.computed.bars}")
        return f"CASE WHEN {' AND '.join(conditions)} THEN {value} END" if conditions else value


def usual_entries(config: Config, folders: Sequence[Path]) -> tuple[Entry, ...]:
    """Return each kind as an entry without parameters makes it.

    Args:
        folders: ``sql`` folders with kinds.
    """
    return tuple(_read(config, folders, [OwnIndicator(kind=kind) for kind in sorted(read_kinds(folders))]))


def _read(config: Config, folders: Sequence[Path], given: Iterable[OwnIndicator]) -> Iterator[Entry]:
    reader = _Reader(config, read_kinds(folders), folders)
    return (reader.entry(number, entry) for number, entry in enumerate(given, 1))


class _Recorder:
    """Notes which running sums the file of a kind asks for, and tells it their columns."""

    def __init__(self) -> None:
        self.terms: dict[Term, None] = {}
        self.inputs: dict[str, str] = {}

    def total(self, name: str, value: str, smoothing: Smoothing, moments: int = 0) -> str:
        """Return the column of a smoothed sum; ``moments`` more are the same times the place in the chunk, and so on.

        Raises:
            KindError: the name means two things.
        """
        if self.inputs.setdefault(name, value) != value:
            raise KindError(f"{name} is {value} and {self.inputs[name]}")
        return self._column(name, name, smoothing, moments)

    def weights(self, smoothing: Smoothing, moments: int = 0) -> str:
        """Return the column of the weights' sum."""
        return self._column("bars", None, smoothing, moments)

    def _column(self, name: str, source: str | None, smoothing: Smoothing, moments: int) -> str:
        base = f"{name}_{smoothing.name}"
        for moment in range(moments + 1):
            self.terms[Term(base, moment, smoothing, source)] = None
        return f"all_{base}"


class _Reader:
    def __init__(self, config: Config, kinds: Mapping[str, IndicatorKind], folders: Sequence[Path]) -> None:
        self._config = config
        self._kinds = kinds
        quiet = config.candles.max_fill_minutes
        names = {
            # Exact through the longest stretch of filled candles: a kind may divide one average by another.
            "ema": lambda period: Smoothing("ema", period, quiet),
            "wilder": lambda period: wilder(period, quiet),
            "warm_up": lambda smoothing, times=1: warm_up_bars(smoothing.decay, times),
            "double": double,
            "log": math.log,
            "mean_weights": mean_weights,
            "timeframes": [{"name": t, "seconds": TIMEFRAME_SECONDS[t]} for t in config.candles.timeframes],
            "layer": {"chunk_bars": CHUNK_BARS, "double": double},
        }
        # A kind of a project's own is found before ours of the same name.
        self._environment: Environment = template_environment(tuple(reversed(folders)), names)

    def entry(self, number: int, given: OwnIndicator) -> Entry:
        """Return an entry as its kind's file renders it."""
        kind = self._kinds.get(given.kind)
        if kind is None:
            near = get_close_matches(given.kind, self._kinds, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f", expected one of {', '.join(self._kinds)}"
            raise _refused(number, given, f"kind is {given.kind!r}{hint}")
        if given.source is not None and kind.price is None:
            raise _refused(number, given, f"source is {given.source!r}, but {kind.name} has no choice of it")
        parameters = self._parameters(number, given, kind)
        price = given.source or kind.price
        recorder = _Recorder()
        try:
            text = self._environment.get_template(f"{FOLDER}/{kind.name}{SUFFIX}").render(
                **parameters,
                x=None if price is None else PRICES[price],
                before=None if price is None else re.sub(r"\b(open|high|low|close)\b", r"previous_\1", PRICES[price]),
                price=price,
                total=recorder.total,
                weights=recorder.weights,
            )
        except (TemplateError, KindError, TypeError) as error:
            raise KindError(f"{kind.file}: {error}") from error
        found = computed(text, kind)
        return Entry(given, kind, parameters, price, found, tuple(recorder.terms), recorder.inputs)

    def _parameters(self, number: int, given: OwnIndicator, kind: IndicatorKind) -> dict[str, float]:
        known = [p.name for p in kind.parameters]
        if unknown := [name for name in given.parameters if name not in known]:
            others = ", ".join(["kind", "timeframes", "source", "feature", *known])
            raise _refused(number, given, f"has {unknown[0]}, expected are {others}")
        found: dict[str, float] = {}
        for p in kind.parameters:
            value = given.parameters.get(p.name, p.default)
            whole = "a whole number from" if p.whole else "a number from"
            if (p.whole and not isinstance(value, int)) or not p.low <= value <= p.high:
                raise _refused(number, given, f"{p.name} is {value:g}, expected {whole} {p.low:g} to {p.high:g}")
            found[p.name] = value if p.whole else float(value)
        if kind.requires and not self._environment.compile_expression(kind.requires)(**found):
            values = ", ".join(f"{name} = {value:g}" for name, value in found.items())
            raise _refused(number, given, f"{values}, expected {kind.requires}")
        return found


def all_indicators(config: Config, folders: Sequence[Path] | None = None) -> tuple[Indicator, ...]:
    """Return every indicator of a configuration: those of the short form, and those of entries.

    Args:
        folders: ``sql`` folders with kinds; as :func:`candlewave.core.paths.sql_folders` when None.

    Raises:
        OwnIndicatorError: an entry cannot be used.
    """
    own = OwnIndicators(config, tuple(folders or sql_folders()))
    return catalog(config.indicators) + own.indicators


def _refused(number: int, given: OwnIndicator, problem: str) -> OwnIndicatorError:
    said = json.dumps({"kind": given.kind, **given.parameters})
    return OwnIndicatorError(f"candlewave.toml: indicators.own, entry {number} {said}: {problem}")
