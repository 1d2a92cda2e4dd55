"""``sql/rendered``: what RisingWave gets with the built-in defaults; a file per object, committed to be reviewed.

Deploy-time parameters stay as ``${name}``.
"""

from pathlib import Path

from candlewave.core.config import Config
from candlewave.core.paths import project_root
from candlewave.sqlproject.render import RenderError, SqlObject, from_text, in_dependency_order, render_objects

_FOLDER = "rendered"


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
    """Bring ``sql/rendered`` up to date; return the paths that changed, relative to ``sql/``.

    Args:
        root: the ``sql`` folder; the project's own when None.
    """
    root = root or project_root() / "sql"
    stale = stale_files(root)
    texts = _texts(root)
    (root / _FOLDER).mkdir(exist_ok=True)
    for name in stale:
        path = root / name
        if path.name in texts:
            path.write_text(texts[path.name], encoding="utf-8")
        else:
            path.unlink()
    return stale


def stale_files(root: Path | None = None) -> list[str]:
    """Return the files of ``sql/rendered`` that are missing, differ from what ``sql/`` renders to, or are left over.

    Raises:
        RenderError: ``sql/`` cannot be rendered.
    """
    root = root or project_root() / "sql"
    texts = _texts(root)
    found = {path.name: path.read_text(encoding="utf-8") for path in (root / _FOLDER).glob("*.sql")}
    return sorted(f"{_FOLDER}/{name}" for name in texts.keys() | found.keys() if texts.get(name) != found.get(name))


def terminated(text: str) -> str:
    """Return an object's text as a file that psql takes."""
    return f"{text.rstrip()};\n"


def _unterminated(text: str) -> str:
    return text.rstrip().removesuffix(";").rstrip() + "\n"


def _texts(root: Path) -> dict[str, str]:
    return {f"{o.name}.sql": terminated(o.text) for o in render_objects(Config(), root)}
