"""Views of a project of one's own that ``predictions-api`` hands out: those whose header names it among the readers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from candlewave.core.config import Config
from candlewave.core.errors import CandlewaveError
from candlewave.core.paths import sql_folders
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.lint.meanings import Meanings
from candlewave.sqlproject.lint.relations import Resolver
from candlewave.sqlproject.render import SqlObject, render_objects
from candlewave.telemetry.logs import get_logger

READER = "predictions-api"
_log = get_logger(__name__)


@dataclass(frozen=True)
class ServedView:
    """A view that the API hands out.

    Attributes:
        columns: what each means, by name; None when its name says it.
    """

    name: str
    purpose: str
    grain: str
    keys: tuple[str, ...]
    event_time: str | None
    columns: Mapping[str, str | None]


def served_views(objects: Iterable[SqlObject], names: Iterable[str] | None = None) -> dict[str, ServedView]:
    """Return the views to be served, by name.

    Args:
        objects: all that are declared.
        names: which ones; a project's own that name the API as a reader when None.

    Raises:
        ResolutionError: the columns of one cannot be resolved.
    """
    known = {o.name: o for o in objects}
    if names is None:
        names = [o.name for o in known.values() if o.own and o.kind is not Kind.SINK and READER in o.header.readers]
    resolver = Resolver(known)
    meanings = Meanings(known, resolver)
    return {name: _served(known[name], resolver, meanings) for name in names}


def _served(sql_object: SqlObject, resolver: Resolver, meanings: Meanings) -> ServedView:
    header = sql_object.header
    columns = resolver.relation(sql_object.name).columns
    return ServedView(
        sql_object.name,
        header.purpose,
        header.grain,
        header.keys,
        header.event_time,
        {column: meanings.of(sql_object.name, column) for column in columns},
    )


@dataclass
class OwnViews:
    """The served views of the project around the working directory, as its files are now.

    Args:
        config: what templates are rendered with.
    """

    config: Config
    _seen: tuple[tuple[Path, int], ...] = ()
    _views: Mapping[str, ServedView] = field(default_factory=dict)

    def read(self) -> Mapping[str, ServedView]:
        """Return the views; they are rendered when a file has changed. While one is broken, those of before."""
        own = sql_folders()[1:]
        files = [file for folder in own for file in sorted(folder.rglob("*.sql.j2"))]
        seen = tuple((file, file.stat().st_mtime_ns) for file in files)
        if seen != self._seen:
            self._seen = seen
            try:
                self._views = served_views(render_objects(self.config)) if seen else {}
            except CandlewaveError as error:
                _log.warning("views of the project cannot be read", error=str(error))
        return self._views
