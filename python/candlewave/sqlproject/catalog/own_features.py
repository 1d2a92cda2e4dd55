"""Features of one's own, ``[[features.own]]`` in ``candlewave.toml``: what their SQL may be, and when it is warm."""

from collections.abc import Mapping

from sqlglot import TokenType, exp, parse_one, tokenize
from sqlglot.errors import SqlglotError

from candlewave.core.config import OwnFeature
from candlewave.core.errors import CandlewaveError
from candlewave.sqlproject.catalog.indicators import Indicator, Kind

BAR_COLUMNS = frozenset({"open", "high", "low", "close", "volume", "trades", "buy_volume", "log_return"})
"""Columns of a bar; those of its indicators come in addition."""
TAKEN = frozenset({"exchange", "symbol", "timeframe", "open_time", "close_time", "warm_bars", "imputed"})
"""Other columns of ``bar_features``."""
_OTHER_STRINGS = {kind for kind in TokenType if kind.name.endswith("_STRING")}
_LOOKS_FURTHER = (exp.Query, exp.Window, exp.AggFunc, exp.Star, exp.Command)
PERIODS = 3
"""Of its longest, after which an average that remembers counts as warm, as for candlewave's own features."""


class OwnFeatureError(CandlewaveError, ValueError):
    """A feature of one's own cannot be used; the text names it and says why."""


def columns_of(entry: OwnFeature, indicators: Mapping[str, Indicator]) -> list[str]:
    """Return the columns that a feature reads, in order of name.

    A closed bar and its indicators are all that it can read, so it cannot look ahead.

    Raises:
        OwnFeatureError: it is no expression over them.
    """
    try:
        tree = parse_one(f"SELECT {entry.sql}", dialect="risingwave")
        tokens = tokenize(f"SELECT {entry.sql} ", read="risingwave")
        name = parse_one(f"SELECT 1 + {entry.name}", dialect="risingwave").expressions
    except SqlglotError as error:
        raise _refused(entry, f"cannot be read: {error}") from None
    if not (len(name) == 1 and isinstance(name[0], exp.Add) and isinstance(name[0].expression, exp.Column)):
        raise _refused(entry, f"cannot be column {entry.name}, which is a word of SQL; choose another name")
    if any(token.comments for token in tokens):
        raise _refused(entry, "has a comment, which would hide what follows it; `meaning` is the place for words")
    if other := next((token.text for token in tokens if token.token_type in _OTHER_STRINGS), None):
        raise _refused(entry, f"has the string {other!r} in another form than '…'")
    clauses = [name for name, value in tree.args.items() if value and name != "expressions"]
    if not isinstance(tree, exp.Select) or clauses or len(tree.expressions) != 1:
        raise _refused(entry, "is not one expression")
    [expression] = tree.expressions
    if isinstance(expression, exp.Alias):
        raise _refused(entry, "has an alias; its name is the entry's")
    if further := expression.find(*_LOOKS_FURTHER):
        text = further.sql(dialect="risingwave")
        raise _refused(entry, f"looks further than one bar: {text}; that belongs into a view of your own")
    found = sorted({column.sql(dialect="risingwave") for column in expression.find_all(exp.Column)})
    for column in found:
        if column not in BAR_COLUMNS and column not in indicators:
            known = ", ".join(sorted(BAR_COLUMNS))
            raise _refused(entry, f"reads {column}, which is neither {known} nor an indicator of indicator_catalog")
    return found


def needs_of(entry: OwnFeature, indicators: Mapping[str, Indicator]) -> int:
    """Return the bars without a hole that a feature needs: as the entry says, or as its indicators do.

    Raises:
        OwnFeatureError: it is no expression over a bar and its indicators.
    """
    used = [indicators[column] for column in columns_of(entry, indicators) if column in indicators]
    if entry.needs is not None:
        return entry.needs
    return max((needs_of_indicator(indicator) for indicator in used), default=1)


def needs_of_indicator(indicator: Indicator) -> int:
    """Return the bars without a hole after which a feature may read an indicator."""
    if indicator.kind is not Kind.EXPONENTIAL:
        return indicator.needs
    return max([indicator.needs, *(PERIODS * int(parameter) for parameter in indicator.parameters.values())])


def _refused(entry: OwnFeature, problem: str) -> OwnFeatureError:
    return OwnFeatureError(f"candlewave.toml: features.own {entry.name}: sql {problem} (found {entry.sql!r})")
