"""Kinds of indicators that entries may name: one file each, ``sql/indicators/<kind>.sql.j2``.

A file says in its header what the kind is, then how it is computed, as a chain of CTEs over ``bars``, each of which
adds columns to the one before::

    -- stddev: standard deviation of the last bars.
    -- source: TA-Lib STDDEV
    -- parameters:
    --   period = 20, 2 to 500: bars
    -- price: close
    -- bars: {{ period }}
    -- null: never
    -- columns:
    --   stddev: difference; square root of the mean square less the squared mean
    WITH sums AS (
        SELECT *, sum({{ k.exact(x) }}) {{ ind.over_last(period) }} AS total
        FROM bars
    )
    SELECT … AS stddev
    FROM sums

``price`` is there when an entry may choose what is averaged, and says the default; ``requires`` is a condition on the
parameters, ``warm-up`` says after how many bars an average that remembers is warm. The file is rendered per entry, so
parameters may stand anywhere but in ``parameters``, ``price`` and ``requires``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from sqlglot.dialects.risingwave import RisingWave
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

from candlewave.core.errors import CandlewaveError
from candlewave.sqlproject.catalog.indicators import Unit

FOLDER = "indicators"
"""Of kinds, below ``sql/``."""
SUFFIX = ".sql.j2"
BARS = "bars"
"""What the first step of a kind reads."""

PRICES = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "hl2": "((high + low) / 2)",
    "hlc3": "((high + low + close) / 3)",
    "ohlc4": "((open + high + low + close) / 4)",
}
"""What can be averaged, and its SQL over a bar."""

_FIELD = re.compile(r"-- (?P<name>[a-z][a-z0-9_-]*): *(?P<text>.*)")
_PARAMETER = re.compile(r"(?P<name>\w+) = (?P<default>[\d.]+), (?P<low>[\d.]+) to (?P<high>[\d.]+): .+")
_NUMBER = r"-?\d+(?:\.\d+)?"
_COLUMN = re.compile(
    rf"(?P<name>\w+): (?P<unit>\w+)(?: (?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER}))?(?:, neutral (?P<neutral>{_NUMBER}))?"
    r"(?P<aside>, no feature)?; (?P<meaning>.+)"
)


class KindError(CandlewaveError, ValueError):
    """The file of a kind cannot be read; the text names the file and what was expected."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kind; whole if its default is.

    Attributes:
        low, high: least and greatest value.
    """

    name: str
    default: float
    low: float
    high: float

    @property
    def whole(self) -> bool:
        """True when only whole numbers make sense."""
        return isinstance(self.default, int)


@dataclass(frozen=True)
class Column:
    """A column of a kind.

    Attributes:
        name: without parameters.
        low, high: where values lie, None where there is no bound.
        neutral: what a feature shows for NULL once there are enough bars.
        is_feature: models may see it.
        meaning: formula, and what is peculiar.
    """

    name: str
    unit: Unit
    low: float | None
    high: float | None
    neutral: float
    is_feature: bool
    meaning: str


@dataclass(frozen=True)
class IndicatorKind:
    """What a kind's file says for all its entries.

    Attributes:
        price: what is averaged unless an entry says otherwise; None when that is no choice.
        requires: condition on the parameters, such as ``fast < slow``.
    """

    name: str
    file: Path
    purpose: str
    parameters: tuple[Parameter, ...]
    price: str | None
    requires: str | None


@dataclass(frozen=True)
class Step:
    """Columns that a kind's SELECT adds: name and SQL."""

    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Computed:
    """What a kind's file says once parameters are known.

    Attributes:
        source: who defined it.
        talib: TA-Lib's function, if it has one.
        bars: bars without a hole before there is a value.
        warm_up: bars after which an average that remembers is warm; None for windows.
        null: when it is NULL once there are the bars.
        steps: what each SELECT adds to the one before; the last has the columns.
    """

    source: str
    talib: str | None
    bars: int
    warm_up: int | None
    null: str
    columns: tuple[Column, ...]
    steps: tuple[Step, ...]


def read_kinds(folders: Sequence[Path]) -> dict[str, IndicatorKind]:
    """Return the kinds of ``sql`` folders by name; a project's own take the place of those of the same name.

    Raises:
        KindError: a file's header cannot be read.
    """
    files = [file for folder in folders for file in sorted((folder / FOLDER).glob(f"*{SUFFIX}"))]
    kinds = [_kind(file, file.stat().st_mtime_ns) for file in files]
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)} | {kind.name: kind for kind in kinds}


@lru_cache(maxsize=256)
def _kind(file: Path, _changed: int) -> IndicatorKind:
    name = file.name.removesuffix(SUFFIX)
    fields = _fields(file.read_text(encoding="utf-8"), file)
    if name not in fields:
        raise KindError(f"{file}: the header does not begin with `-- {name}: `")
    price = fields.get("price", [None])[0]
    if price is not None and price not in PRICES:
        raise KindError(f"{file}: price is {price!r}, expected one of {', '.join(PRICES)}")
    parameters = tuple(_parameter(line, file) for line in fields.get("parameters", []) if line)
    requires = fields.get("requires", [None])[0]
    return IndicatorKind(name, file, " ".join(fields[name]), parameters, price, requires)


def computed(text: str, kind: IndicatorKind) -> Computed:
    """Read the file of a kind after it was rendered for an entry.

    Raises:
        KindError: the header or the query is not as expected.
    """
    fields = _fields(text, kind.file)
    if missing := [name for name in ("source", "bars", "null", "columns") if name not in fields]:
        raise KindError(f"{kind.file}: the header lacks {', '.join(missing)}")
    source = " ".join(fields["source"])
    talib = re.match(r"TA-Lib (\w+)", source)
    columns = tuple(_column(line, kind.file) for line in fields["columns"] if line)
    steps = tuple(_steps(_body(text), kind.file))
    if {c.name for c in columns} != {name for name, _ in steps[-1].columns}:
        raise KindError(f"{kind.file}: the last SELECT has other columns than the header")
    warm_up = fields.get("warm-up")
    return Computed(
        source,
        talib[1] if talib else None,
        _whole(fields["bars"][0], kind.file),
        _whole(warm_up[0], kind.file) if warm_up else None,
        " ".join(fields["null"]),
        columns,
        steps,
    )


def _fields(text: str, file: Path) -> dict[str, list[str]]:
    """Return the header's fields: what follows the name, and the lines below it."""
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("--   ") and current is not None:
            current.append(line.removeprefix("--").strip())
        elif match := _FIELD.fullmatch(line):
            current = fields.setdefault(match["name"], [])
            if match["text"]:
                current.append(match["text"].strip())
        elif line.startswith("--"):
            raise KindError(f"{file}: header line {line!r} is not of the form `-- field: text`")
    return fields


def _body(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _parameter(line: str, file: Path) -> Parameter:
    match = _PARAMETER.fullmatch(line)
    if match is None:
        raise KindError(f"{file}: parameter {line!r} is not of the form `name = default, least to greatest: meaning`")
    number = float if "." in match["default"] else int
    return Parameter(match["name"], number(match["default"]), float(match["low"]), float(match["high"]))


def _column(line: str, file: Path) -> Column:
    match = _COLUMN.fullmatch(line)
    units = ", ".join(Unit)
    if match is None or match["unit"] not in list(Unit):
        raise KindError(
            f"{file}: column {line!r} is not of the form `name: unit low..high, neutral n, no feature; meaning`;"
            f" units are {units}"
        )
    low, high = (None if match[bound] is None else float(match[bound]) for bound in ("low", "high"))
    neutral = float(match["neutral"] or 0)
    return Column(match["name"], Unit(match["unit"]), low, high, neutral, not match["aside"], match["meaning"])


def _whole(text: str, file: Path) -> int:
    if not text.isdigit():
        raise KindError(f"{file}: {text!r} is not a number of bars")
    return int(text)


# ---- the query ----


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of SQL."""
    return RisingWave().tokenize(text)


def _steps(body: str, file: Path) -> Iterator[Step]:
    """Yield the steps of ``WITH a AS (SELECT *, … FROM bars), b AS (…) SELECT … FROM b``.

    Raises:
        KindError: it is another query.
    """
    try:
        reader = _Reader(body, tokens_of(body))
        below = BARS
        if reader.take("WITH"):
            while True:
                name = reader.name()
                reader.expect("AS", "(", "SELECT", "*", ",")
                yield reader.step(below)
                reader.expect(")")
                below = name
                if not reader.take(","):
                    break
        reader.expect("SELECT")
        yield reader.step(below)
        if reader.at is not None:
            raise KindError(f"nothing can follow FROM {below}")
    except (KindError, TokenError) as error:
        raise KindError(f"{file}: {error}; a kind is `WITH a AS (SELECT *, … FROM bars) SELECT … FROM a`") from None


class _Reader:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    @property
    def at(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def take(self, word: str) -> bool:
        if self.at is None or self.at.text.upper() != word:
            return False
        self._next += 1
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                found = "the end" if self.at is None else repr(self.at.text)
                raise KindError(f"{word} is expected, not {found}")

    def name(self) -> str:
        if self.at is None or self.at.token_type is not TokenType.VAR:
            raise KindError("a name is expected")
        self._next += 1
        return self._tokens[self._next - 1].text

    def step(self, below: str) -> Step:
        """Read a select list, and FROM."""
        columns: list[tuple[str, str]] = []
        while True:
            columns.append(self._item())
            if not self.take(","):
                break
        self.expect("FROM", below.upper())
        return Step(tuple(columns))

    def _item(self) -> tuple[str, str]:
        start = self._next
        depth = 0
        while self.at is not None:
            word = self.at.text.upper()
            if depth == 0 and word in (",", "FROM", ")"):
                break
            depth += (word in ("(", "[")) - (word in (")", "]"))
            self._next += 1
        item = self._tokens[start : self._next]
        if len(item) < 3 or item[-2].text.upper() != "AS":
            raise KindError("a column without `AS name`")
        return item[-1].text, self._text[item[0].start : item[-3].end + 1]


def rows_before(text: str) -> int:
    """Return how many rows before its own the windows of an expression read."""
    words = [token.text.upper() for token in tokens_of(text)]
    frames = [int(n) for n, word in pairwise(words) if word == "PRECEDING" and n.isdigit()]
    offsets = [_offset(words[place + 2 :]) for place, word in enumerate(words) if word == "LAG"]
    return max([0, *frames, *offsets])


def _offset(words: Sequence[str]) -> int:
    """Return the offset of lag, whose arguments are given with what follows them."""
    depth = 0
    for place, word in enumerate(words):
        if word == ")" and depth == 0:
            return int(words[place - 1]) if words[place - 2] == "," else 1
        depth += (word == "(") - (word == ")")
    return 1


def with_names(text: str, names: Mapping[str, str]) -> str:
    """Return SQL with columns replaced, and otherwise as it is, character by character.

    Args:
        text: an expression.
        names: what to write, by name of column.
    """
    parts: list[str] = []
    done = 0
    tokens = tokens_of(text)
    for place, token in enumerate(tokens):
        follows = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.text in names and token.token_type is not TokenType.STRING and follows not in ("(", "."):
            parts += [text[done : token.start], names[token.text]]
            done = token.end + 1
    return "".join([*parts, text[done:]])
