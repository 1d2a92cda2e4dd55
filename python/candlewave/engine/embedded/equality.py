"""When a computed value counts as equal to the stored one."""

from collections.abc import Iterable, Mapping

TOLERANCE = 1e-12
"""Relative difference of DOUBLE values below which a refresh leaves a row, and so its readers, alone.

What a late trade changes in an average fades, and sums of the same numbers in another order differ in their last
digits: without a limit both travel on for thousands of bars. What is computed is compared with what is stored, not with
what was computed last, so a stored value is within the limit of what its query gives, after any number of refreshes.
"""


def differs(fresh: str, kept: str, type_: str, tolerance: float) -> str:
    """Return the condition that two values of a type differ, DOUBLE ones by more than the tolerance.

    The comparison is strict, so that infinity is not close to anything and zero only to itself.
    """
    if type_ != "double precision":
        return f"{fresh} IS DISTINCT FROM {kept}"
    close = f"abs({fresh} - {kept}) < {tolerance} * greatest(abs({fresh}), abs({kept}))"
    return f"({fresh} IS DISTINCT FROM {kept} AND NOT coalesce({close}, false))"


def rows_differ(fresh: str, kept: str, columns: Iterable[str], types: Mapping[str, str]) -> str:
    """Return the condition that two rows differ in one of the columns."""
    names = list(columns)
    if not names:
        return "false"
    at_all = " IS DISTINCT FROM ".join(
        "ROW(" + ", ".join(f'{alias}."{name}"' for name in names) + ")" for alias in (fresh, kept)
    )
    enough = " OR ".join(differs(f'{fresh}."{name}"', f'{kept}."{name}"', types[name], TOLERANCE) for name in names)
    return f"({at_all} AND ({enough}))"
