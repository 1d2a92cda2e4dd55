"""A line of the benchmark table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        measured: what, in words.
        figure: the number with its unit.
        aim: what it should reach, empty if there is no aim.
        ratio: against another figure of the same run.
        right: whether the result that was computed equals a full recomputation.
        value: the number behind ``figure``, for ratios.
    """

    measured: str
    figure: str
    aim: str = ""
    ratio: str = ""
    right: bool = True
    value: float = 0.0
