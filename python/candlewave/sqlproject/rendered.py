"""What is written from ``sql/`` with the built-in defaults and three markets, and committed to be reviewed.

``sql/rendered`` has a file per object, with what RisingWave gets; deploy-time parameters stay as ``${name}``. Of the
documentation it is ``docs/views.md``, and a table each in ``docs/features.md`` and ``docs/indicators.md``.
"""

from pathlib import Path

from candlewave.core.config import Config, ExchangeConfig
from candlewave.core.paths import project_root
from candlewave.sqlproject.catalog.features import FeatureCatalog
from candlewave.sqlproject.catalog.own_indicators import usual_entries
from candlewave.sqlproject.pages import between_marks, describe, features_table, kinds_table
from candlewave.sqlproject.render import RenderError, SqlObject, from_text, in_dependency_order, render_objects

_FOLDER = "rendered"
CONFIG = Config(exchanges={"kraken": ExchangeConfig(symbols=["BTC/USD", "ETH/USD", "SOL/USD"])})
"""With markets, because the columns of peers are named after them."""


def read_rendered(folder: Path | None = None) -> dict[str, SqlObject]:
    """Return the objects of a folder of rendered SQL by name, each after all it reads; the project's own when None.

    Raises:
        RenderError: a file is not the SQL of one object, or the objects read each other in a circle.
    """
    objects = {}
    for path in sorted((folder or project_root() / "sql" / _FOLDER).glob("*.sql")):
        try:
            sql_object = from_text(_unterminated(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise RenderError(f"{path}: {error}") from error
        objects[sql_object.name] = sql_object
    return {o.name: o for o in in_dependency_order(objects)}


def write_rendered(root: Path | None = None) -> list[str]:
    """Bring what is written from ``sql/`` up to date; return the paths that changed, relative to the project.

    Args:
        root: the ``sql`` folder; the project's own when None. Pages go to the ``docs`` folder next to it, if any.
    """
    root = root or project_root() / "sql"
    stale = stale_files(root)
    texts = _texts(root)
    (root / _FOLDER).mkdir(exist_ok=True)
    for name in stale:
        path = root.parent / name
        if path in texts:
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.unlink()
    return stale


def stale_files(root: Path | None = None) -> list[str]:
    """Return the files that are missing, differ from what ``sql/`` renders to, or are left over, by project path.

    Raises:
        RenderError: ``sql/`` cannot be rendered.
    """
    root = root or project_root() / "sql"
    texts = _texts(root)
    paths = texts.keys() | set((root / _FOLDER).glob("*.sql"))
    found = {path: path.read_text(encoding="utf-8") for path in paths if path.exists()}
    return sorted(path.relative_to(root.parent).as_posix() for path in paths if texts.get(path) != found.get(path))


def terminated(text: str) -> str:
    """Return an object's text as a file that psql takes."""
    return f"{text.rstrip()};\n"


def _unterminated(text: str) -> str:
    return text.rstrip().removesuffix(";").rstrip() + "\n"


def _texts(root: Path) -> dict[Path, str]:
    objects = render_objects(CONFIG, root)
    texts = {root / _FOLDER / f"{o.name}.sql": terminated(o.text) for o in objects}
    docs = root.parent / "docs"
    if docs.is_dir():
        texts[docs / "views.md"] = describe(objects)
        tables = {
            "features.md": features_table(FeatureCatalog(CONFIG).columns),
            "indicators.md": kinds_table(usual_entries(CONFIG, [root])),
        }
        for name, table in tables.items():
            texts[docs / name] = between_marks((docs / name).read_text(encoding="utf-8"), table)
    return texts
