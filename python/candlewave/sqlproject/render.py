"""Render the templates of ``sql/`` with ``candlewave.toml``: the text that RisingWave gets, in dependency order."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from jinja2 import Environment, TemplateError
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from candlewave.core.config import TIMEFRAME_SECONDS, Config
from candlewave.core.errors import CandlewaveError
from candlewave.core.paths import sql_folders
from candlewave.sqlproject.catalog.constants import Layer
from candlewave.sqlproject.catalog.features import FeatureCatalog
from candlewave.sqlproject.ddl import DdlError, Kind, Statement, parse_statement
from candlewave.sqlproject.environment import template_environment
from candlewave.sqlproject.header import Header, parse_header, split_header

_SUFFIX = ".sql.j2"
OBJECTS_OF_ENTRIES = ("own_indicator_sums", "own_indicator_chunks", "own_indicator_carry", "own_indicators")
"""What entries of ``[[indicators.own]]`` add; the first three only if one of them averages exponentially."""
_NO_OBJECTS = ("macros/", "indicators/")
"""Folders of templates that others are made with."""


class RenderError(CandlewaveError, ValueError):
    """A template cannot be rendered or read; the text names the file and the reason."""


@dataclass(frozen=True)
class SqlObject:
    """One rendered object: a table, view or sink.

    Attributes:
        path: template, relative to ``sql/``.
        text: header and statement as sent to RisingWave, with ``${...}`` deploy-time parameters still in it.
        file: the template; None when it was read back from its text.
        own: it belongs to a project on top of candlewave's own ``sql/``.
        replaces: there it takes the place of candlewave's object of the same name.
    """

    name: str
    path: str
    text: str
    header: Header
    statement: Statement
    file: Path | None = None
    own: bool = False
    replaces: bool = False

    @property
    def kind(self) -> Kind:
        """What the object is."""
        return self.statement.kind

    @property
    def layer(self) -> str:
        """Folder below ``sql/``, such as ``views/ohlc``."""
        return str(Path(self.path).parent)

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Names of the relations it reads."""
        if self.statement.relation:
            return frozenset({self.statement.relation})
        return relations(self.statement.query) if self.statement.query else frozenset()


@lru_cache(maxsize=1024)
def parse_query(query: str) -> exp.Expr:
    """Return sqlglot's tree of a query. It is shared: copy it before changing it.

    Raises:
        RenderError: sqlglot cannot read the query.
    """
    try:
        return parse_one(query, dialect="risingwave")
    except SqlglotError as error:
        raise RenderError(f"cannot read query: {error}") from None


@lru_cache(maxsize=1024)
def relations(query: str) -> frozenset[str]:
    """Return the relations that a query reads, not its own CTEs.

    Raises:
        RenderError: sqlglot cannot read the query.
    """
    tree = parse_query(query)
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    names = {table.name for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}
    for function in tree.find_all(exp.Anonymous):
        if function.name.upper() in ("TUMBLE", "HOP"):
            names.add(function.expressions[0].name)
    return frozenset(names - ctes)


def render_objects(config: Config, *folders: Path) -> list[SqlObject]:
    """Render every object, each after all it reads; equal ranks in order of name.

    Args:
        config: candles, indicators and the rest of ``candlewave.toml``.
        folders: ``sql`` folders. Objects of the second are a project's own: they are added to those of the first, and
            take the place of those of the same name. When left out, candlewave's, and that of the project around the
            working directory.

    Raises:
        RenderError: a template fails, names are doubled, dependencies form a circle, or a project declares a table.
        OwnFeatureError, OwnIndicatorError: an entry of the configuration cannot be used.
    """
    folders = folders or sql_folders()
    names = _context(config, folders)
    objects: dict[str, SqlObject] = {}
    for number, folder in enumerate(folders):
        # Macros of those below can be imported; a macro file of the same name changes nothing below.
        environment = template_environment(folders[number::-1], names)
        found: dict[str, SqlObject] = {}
        for file in sorted(folder.rglob(f"*{_SUFFIX}")):
            path = file.relative_to(folder).as_posix()
            if path.startswith(_NO_OBJECTS):
                continue
            sql_object = _render(environment, path, file)
            if sql_object is None:
                continue
            if sql_object.name in found:
                raise RenderError(f"{path}: {sql_object.name} is also made by {found[sql_object.name].path}")
            if number:
                sql_object = _as_own(sql_object, objects.get(sql_object.name))
            found[sql_object.name] = sql_object
        objects |= found
    return in_dependency_order(objects)


def render_entries(config: Config, *folders: Path) -> list[SqlObject]:
    """Render the objects that entries of ``[[indicators.own]]`` add, each after all it reads, and no others.

    Args:
        config: with these entries.
        folders: as of :func:`render_objects`.
    """
    folders = folders or sql_folders()
    environment = template_environment(folders[:1], _context(config, folders))
    paths = [f"views/indicators/{name}{_SUFFIX}" for name in OBJECTS_OF_ENTRIES]
    rendered = [_render(environment, path, folders[0] / path) for path in paths]
    return [sql_object for sql_object in rendered if sql_object is not None]


def _as_own(sql_object: SqlObject, shipped: SqlObject | None) -> SqlObject:
    """Return an object as one of a project's own.

    Raises:
        RenderError: it is a table, or takes the place of one. Rows of tables need revisions, which projects lack.
    """
    if sql_object.kind is Kind.TABLE:
        raise RenderError(
            f"sql/{sql_object.path}: a project declares views, materialized views and sinks, not tables; what arrives"
            " comes through candlewave's own tables"
        )
    if shipped is not None and shipped.kind is Kind.TABLE:
        raise RenderError(
            f"sql/{sql_object.path}: {shipped.name} is a table of candlewave, whose rows cannot be computed again;"
            " choose another name"
        )
    return replace(sql_object, own=True, replaces=shipped is not None)


@lru_cache(maxsize=1024)
def from_text(text: str) -> SqlObject:
    """Read an object back from its rendered text; its path is empty.

    Raises:
        DdlError: the statement is not one that candlewave uses.
        HeaderError: the header is malformed.
    """
    comment, body = split_header(text)
    statement = parse_statement(body)
    return SqlObject(statement.name, "", text, parse_header(comment, statement.name), statement)


def in_dependency_order(objects: dict[str, SqlObject]) -> list[SqlObject]:
    """Sort objects so that each follows what it reads."""
    sorter: TopologicalSorter[str] = TopologicalSorter(
        {name: sorted(objects[name].inputs & objects.keys()) for name in sorted(objects)}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        raise RenderError(f"objects read each other in a circle: {' -> '.join(error.args[1])}") from None
    ordered: list[SqlObject] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += [objects[name] for name in ready]
        sorter.done(*ready)
    return ordered


def downstream(objects: list[SqlObject], names: set[str]) -> set[str]:
    """Return ``names`` and everything that reads them, directly or not. ``objects`` is in dependency order."""
    reached = set(names)
    for sql_object in objects:
        if sql_object.inputs & reached:
            reached.add(sql_object.name)
    return reached


def _context(config: Config, folders: tuple[Path, ...]) -> dict[str, object]:
    layer, features = Layer(config, folders), FeatureCatalog(config, folders)
    layer.own.columns, features.of_bars  # noqa: B018 (what is wrong with entries is said before a template is)
    return {
        "config": config,
        "timeframes": [{"name": name, "seconds": TIMEFRAME_SECONDS[name]} for name in config.candles.timeframes],
        "layer": layer,
        "features": features,
    }


def _render(environment: Environment, path: str, file: Path) -> SqlObject | None:
    """Render a template; None when it says nothing, because the configuration has no use for the object."""
    name = Path(path).name.removesuffix(_SUFFIX)
    try:
        text = environment.get_template(path).render().strip() + "\n"
        if not text.strip():
            return None
        comment, body = split_header(text)
        header = parse_header(comment, name)
        statement = parse_statement(body)
    except (TemplateError, DdlError, ValueError) as error:
        raise RenderError(f"sql/{path}: {error}") from error
    if statement.name != name:
        raise RenderError(f"sql/{path}: makes {statement.name}, the file name says {name}")
    return SqlObject(name, path, text, header, statement, file)
