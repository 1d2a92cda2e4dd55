"""Lint of SQL models: ``candlewave lint``. Each rule is a small class; its docstring is the reason."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlglot import exp

from candlewave.core.config import TIMEFRAME_SECONDS, Config
from candlewave.core.paths import sql_folders
from candlewave.sqlproject.header import HeaderError
from candlewave.sqlproject.lint import engine, headers, meanings, queries, units, windows
from candlewave.sqlproject.lint.model import Finding, Model, Project, excerpt
from candlewave.sqlproject.lint.rule import QueryRule, Rule
from candlewave.sqlproject.render import RenderError, render_objects

__all__ = ["RULES", "Finding", "Rule", "lint"]


class Readable(QueryRule):
    """Every model can be rendered and read.

    What lint, the planner and the embedded engine cannot read they could only skip, and a rule that skips a statement
    says nothing about it. So a statement of unknown kind, or one that sqlglot keeps as opaque text, is an error.
    """

    code = "CW001"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find opaque statements, and statements that are not queries."""
        for command in tree.find_all(exp.Command):
            yield command, f"{excerpt(command)} cannot be read"
        if not isinstance(tree, exp.Query | exp.Command):
            yield tree, f"{excerpt(tree)} is not a query"


_ALL: tuple[type[Rule], ...] = (
    Readable,
    headers.HeaderSaysSomething,
    headers.KeysExist,
    headers.ReadersAreReal,
    headers.FootprintPresent,
    headers.FootprintTrue,
    queries.ExplicitColumns,
    queries.ResolvableNames,
    queries.UniqueOrder,
    queries.NoWallClock,
    queries.AliasOnEveryOutput,
    queries.GuardedDivision,
    windows.ExplicitFrame,
    windows.PartitionBy,
    windows.NoSlidingFloatSum,
    windows.NoFilterInOver,
    windows.PlainOffsets,
    engine.NoWatermark,
    engine.PlainTypes,
    engine.CastLiterals,
    engine.KnownFunctions,
    engine.JoinByEquality,
    engine.SeriesInSelectList,
    engine.NoExponentLiterals,
    engine.ClockOnPlainColumns,
    engine.ColumnsNotFunctions,
    units.NoUnitsInFeatures,
    meanings.ColumnsExplained,
)

RULES: dict[str, type[Rule]] = {rule.code: rule for rule in sorted(_ALL, key=lambda rule: rule.code)}
"""Every rule, by code."""


def lint(config: Config, *folders: Path) -> list[Finding]:
    """Check every model.

    Args:
        config: what the templates are rendered with.
        folders: ``sql`` folders, as for :func:`~candlewave.sqlproject.render.render_objects`.

    Returns:
        Findings by file and line. When a model cannot be rendered or its header not be read, that alone: the others
        could not be judged without it.
    """
    folders = folders or sql_folders()
    try:
        objects = {o.name: o for o in render_objects(config, *folders)}
    except RenderError as error:
        return [_unreadable(error, folders)]
    seconds = {name: TIMEFRAME_SECONDS[name] for name in config.candles.timeframes}
    project = Project(objects, seconds)
    found = {finding for model in project.models for finding in _check(model)}
    return sorted(found, key=lambda finding: (finding.path, finding.line or 0, finding.code, finding.text))


def _check(model: Model) -> Iterator[Finding]:
    """Yield findings of every rule; where names lead nowhere, of those about names alone: others could not judge."""
    blocking = (Readable, queries.ExplicitColumns, queries.ResolvableNames)
    found: list[Finding] = []
    for rule in blocking:
        found += rule().check(model) if not found else ()
    yield from found
    if not found:
        for other in RULES.values():
            if other not in blocking:
                yield from other().check(model)


def _unreadable(error: RenderError, folders: Sequence[Path]) -> Finding:
    """Turn a failure to render into a finding of the rule that it is about."""
    path, _, text = str(error).partition(": ")
    if not path.startswith("sql/"):
        return Finding("sql", None, Readable.code, str(error))
    line = re.search(r"\bline (\d+)\b", text)
    code = Readable.code
    if isinstance(error.__cause__, HeaderError):
        code = headers.HeaderSaysSomething.code
    elif "EMIT ON WINDOW CLOSE" in text:
        code = engine.NoWatermark.code
    elif refused := engine.PlainTypes.REFUSED.search(_template(path.removeprefix("sql/"), folders)):
        code, text = engine.PlainTypes.code, f"RisingWave has no type {refused[0]}"
    return Finding(path, int(line[1]) if line else None, code, text)


def _template(path: str, folders: Sequence[Path]) -> str:
    """Return a template's text, of the folder on top."""
    files = [folder / path for folder in reversed(folders) if (folder / path).is_file()]
    return files[0].read_text(encoding="utf-8") if files else ""
