"""A small reader for RisingWave DDL: CREATE TABLE with connector clauses, views and sinks.

sqlglot gives such statements back as opaque text, so what the embedded engine and the golden harness need of them is
read here, token by token. Anything this reader does not know is an error, never skipped.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from candlewave.core.errors import CandlewaveError

_TOKEN = re.compile(
    r"(?:\s+|--[^\n]*)*(?:(?P<parameter>\$\{\w+\})|'(?P<string>(?:[^']|'')*)'|(?P<word>\w+)"
    r'|"(?P<quoted>[^"]+)"|(?P<sign>[^\s\w]))'
)


class DdlError(CandlewaveError, ValueError):
    """A statement that candlewave does not understand; the text says what was found and what was expected."""


class Kind(StrEnum):
    """What a CREATE statement makes."""

    TABLE = "table"
    MATERIALIZED_VIEW = "materialized view"
    VIEW = "view"
    SINK = "sink"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and RisingWave type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Connector:
    """The connector clauses of a table or sink: WITH properties, FORMAT, ENCODE."""

    properties: dict[str, str]
    format: str
    encode: str

    @property
    def topic(self) -> str:
        """Topic read or written.

        Raises:
            DdlError: the connector has no topic.
        """
        try:
            return self.properties["topic"]
        except KeyError:
            raise DdlError(f"connector {self.properties.get('connector')!r} has no topic") from None


@dataclass(frozen=True, slots=True)
class Statement:
    """One CREATE statement.

    Attributes:
        columns: columns of a table as declared, followed by its INCLUDE columns.
        includes: INCLUDE columns by what they carry, such as ``{"timestamp": "ingest_ts"}``.
        query: the SELECT of a view, or of a sink made AS SELECT.
        relation: what a sink made FROM reads.
    """

    kind: Kind
    name: str
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    append_only: bool = False
    on_conflict: str | None = None
    includes: dict[str, str] = field(default_factory=dict)
    connector: Connector | None = None
    query: str | None = None
    relation: str | None = None

    def with_column(self, column: Column) -> "Statement":
        """Return the table as it is after ALTER TABLE ... ADD COLUMN."""
        return replace(self, columns=(*self.columns, column))


_INCLUDE_TYPES = {"timestamp": "TIMESTAMPTZ", "key": "BYTEA", "partition": "VARCHAR", "offset": "VARCHAR"}


def parse_statement(text: str) -> Statement:
    """Read one CREATE statement (leading comments allowed).

    Raises:
        DdlError: it is not one that candlewave uses.
    """
    return _Reader(text).statement()


def plain_table(statement: Statement, *, schema: str | None = None) -> str:
    """Return the CREATE TABLE of a store without its connector; INCLUDE columns become ordinary ones."""
    columns = [f'"{column.name}" {column.type}' for column in statement.columns]
    if statement.primary_key:
        columns.append(f"PRIMARY KEY ({', '.join(statement.primary_key)})")
    name = f"{schema}.{statement.name}" if schema else statement.name
    text = f"CREATE TABLE {name} ({', '.join(columns)})"
    if statement.append_only:
        text += " APPEND ONLY"
    if statement.on_conflict:
        text += f" ON CONFLICT {statement.on_conflict}"
    return text


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def statement(self) -> Statement:
        self._expect("CREATE")
        if self._accept("TABLE"):
            return self._table()
        if self._accept("MATERIALIZED"):
            self._expect("VIEW")
            return self._view(Kind.MATERIALIZED_VIEW)
        if self._accept("VIEW"):
            return self._view(Kind.VIEW)
        if self._accept("SINK"):
            return self._sink()
        raise self._error("TABLE, MATERIALIZED VIEW, VIEW or SINK")

    def _table(self) -> Statement:
        name = self._name()
        columns, primary_key = self._columns()
        append_only = False
        on_conflict = None
        if self._accept("APPEND"):
            self._expect("ONLY")
            append_only = True
        if self._accept("ON"):
            self._expect("CONFLICT")
            on_conflict = self._conflict()
        includes: dict[str, str] = {}
        while self._accept("INCLUDE"):
            what = self._word().lower()
            if what not in _INCLUDE_TYPES:
                raise self._error("INCLUDE of " + ", ".join(_INCLUDE_TYPES))
            self._expect("AS")
            includes[what] = self._name()
            columns.append(Column(includes[what], _INCLUDE_TYPES[what]))
        connector = self._connector() if self._peek("WITH") else None
        self._end()
        return Statement(Kind.TABLE, name, tuple(columns), primary_key, append_only, on_conflict, includes, connector)

    def _columns(self) -> tuple[list[Column], tuple[str, ...]]:
        self._expect("(")
        columns: list[Column] = []
        primary_key: tuple[str, ...] = ()
        while True:
            if self._accept("PRIMARY"):
                self._expect("KEY")
                primary_key = self._name_list()
            else:
                name = self._name()
                words = []
                while not (self._peek(",") or self._peek(")")):
                    words.append(self._word())
                if not words:
                    raise self._error(f"a type for column {name}")
                type_ = " ".join(words).replace(" [ ]", "[]")
                if type_.upper().endswith(" PRIMARY KEY"):
                    primary_key, type_ = (name,), type_[: -len(" PRIMARY KEY")]
                columns.append(Column(name, type_.upper()))
            if self._accept(")"):
                return columns, primary_key
            self._expect(",")

    def _conflict(self) -> str:
        if self._accept("OVERWRITE"):
            return "OVERWRITE"
        self._expect("DO")
        if self._accept("NOTHING"):
            return "DO NOTHING"
        self._expect("UPDATE")
        self._expect("FULL")
        return "OVERWRITE"

    def _view(self, kind: Kind) -> Statement:
        name = self._name()
        self._expect("AS")
        query = self._rest()
        if re.search(r"\bEMIT\s+ON\s+WINDOW\s+CLOSE\s*$", query, re.IGNORECASE):
            raise DdlError(f"{name}: EMIT ON WINDOW CLOSE drops late rows unseen; candlewave amends instead")
        return Statement(kind, name, query=query)

    def _sink(self) -> Statement:
        name = self._name()
        if not self._accept("FROM"):
            raise self._error("FROM <relation> (put the query into a view)")
        relation = self._name()
        connector = self._connector()
        self._end()
        return Statement(Kind.SINK, name, relation=relation, connector=connector)

    def _connector(self) -> Connector:
        self._expect("WITH")
        self._expect("(")
        properties: dict[str, str] = {}
        while not self._accept(")"):
            if not self._accept_parameter():
                key = self._word()
                while self._accept("."):
                    key += "." + self._word()
                self._expect("=")
                properties[key.lower()] = self._word()
            if not self._peek(")"):
                self._expect(",")
        format_, encode = "", ""
        if self._accept("FORMAT"):
            format_ = self._word().upper()
            self._expect("ENCODE")
            encode = self._word().upper()
            if self._accept("("):
                while not self._accept(")"):
                    self._word()
        return Connector(properties, format_, encode)

    def _accept_parameter(self) -> bool:
        """Skip a deploy-time parameter such as ``${kafka_properties}``."""
        token = _TOKEN.match(self._text, self._at)
        if token is None or token["parameter"] is None:
            return False
        self._at = token.end()
        return True

    def _peek(self, text: str) -> bool:
        token = _TOKEN.match(self._text, self._at)
        return token is not None and (token["word"] or token["sign"] or "").upper() == text

    def _accept(self, text: str) -> bool:
        token = _TOKEN.match(self._text, self._at)
        if token is None or (token["word"] or token["sign"] or "").upper() != text:
            return False
        self._at = token.end()
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._error(text)

    def _word(self) -> str:
        token = _TOKEN.match(self._text, self._at)
        if token is None:
            raise self._error("more text")
        self._at = token.end()
        if token["string"] is not None:
            return token["string"].replace("''", "'")
        return str(token["parameter"] or token["word"] or token["quoted"] or token["sign"])

    def _name(self) -> str:
        token = _TOKEN.match(self._text, self._at)
        name = (token["word"] or token["quoted"]) if token else None
        if token is None or name is None or name[0].isdigit():
            raise self._error("a name")
        self._at = token.end()
        return name

    def _name_list(self) -> tuple[str, ...]:
        self._expect("(")
        names = [self._name()]
        while self._accept(","):
            names.append(self._name())
        self._expect(")")
        return tuple(names)

    def _rest(self) -> str:
        query = self._text[self._at :].strip().rstrip(";").rstrip()
        if not query:
            raise self._error("a query")
        self._at = len(self._text)
        return query

    def _end(self) -> None:
        self._accept(";")
        if _TOKEN.match(self._text, self._at):
            raise self._error("the end of the statement")

    def _error(self, expected: str) -> DdlError:
        token = _TOKEN.match(self._text, self._at)
        found = repr(token[0].strip()) if token else "the end"
        line = self._text.count("\n", 0, token.end() if token else len(self._text)) + 1
        return DdlError(f"line {line}: found {found}, expected {expected}, in: {self._text.strip()[:120]}")
