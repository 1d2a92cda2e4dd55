"""The revisions on disk: two branches, their order, and the state at each revision.

``migrations/versions`` holds the shipped branch (``0001_...``). A changed ``candlewave.toml`` gives a user a branch of
their own, label ``local``, in ``migrations/versions/local`` (``local_0001_...``): it forks from a shipped revision and
from there on carries everything, later changes of ``sql/`` included. Where it exists, it is what an engine follows.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from candlewave.core.config import Config
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.state import State, after, ordered
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import render_objects

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig
    from alembic.script import ScriptDirectory

_FILE = re.compile(r"(?P<revision>(?:local_)?(?P<number>\d{4}))_\w+\.py")


class HistoryError(MigrationError):
    """The revision files are not one unbroken sequence per branch; the text lists what is wrong."""


class Branch(StrEnum):
    """Whose revisions."""

    SHIPPED = "shipped"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision file, as its name and its assignments say."""

    path: Path
    id: str
    down: str | None

    @property
    def number(self) -> int:
        """Place in its branch, from 1."""
        return int(self.id[-4:])


@dataclass(frozen=True)
class History:
    """The revisions of a project.

    Attributes:
        root: folder that holds ``sql/`` and ``migrations/``.
        own: folder of the user's own revisions; ``migrations/versions/local`` when None.
    """

    root: Path
    own: Path | None = None

    @classmethod
    def of_project(cls, settings: Settings) -> "History":
        """Return the revisions of this installation.

        An installed package is replaced by the next version, so there the user's own are in the data directory.
        """
        root = project_root()
        return cls(root, settings.data_dir / "migrations" if root.name == "_project" else None)

    @property
    def folder(self) -> Path:
        """Where ``env.py`` is."""
        return self.root / "migrations"

    def versions(self, branch: Branch) -> Path:
        """Return the folder of a branch's revisions."""
        shipped = self.folder / "versions"
        return shipped if branch is Branch.SHIPPED else self.own or shipped / "local"

    @cached_property
    def revisions(self) -> dict[Branch, list[Revision]]:
        """The revisions of each branch in order.

        Raises:
            HistoryError: see :meth:`problems`.
        """
        found = {branch: [_read(path) for path in self._files(branch)] for branch in Branch}
        problems = [problem for branch in Branch for problem in _sequence_problems(branch, found)]
        if problems:
            raise HistoryError("the revisions are not in order:\n" + "\n".join(f"  {p}" for p in problems))
        return found

    @property
    def active(self) -> Branch:
        """The branch that an engine follows: the user's own once it exists."""
        return Branch.LOCAL if self.revisions[Branch.LOCAL] else Branch.SHIPPED

    def head(self, branch: Branch | None = None) -> str | None:
        """Return a branch's newest revision, None for an empty branch; of the active branch by default."""
        revisions = self.revisions[branch or self.active]
        return revisions[-1].id if revisions else None

    def line(self, revision: str | None) -> list[Revision]:
        """Return the revisions from the first to ``revision``, in the order in which they are applied.

        Raises:
            HistoryError: there is no such revision.
        """
        by_id = {r.id: r for revisions in self.revisions.values() for r in revisions}
        line: list[Revision] = []
        while revision is not None:
            if revision not in by_id:
                raise HistoryError(f"there is no revision {revision}; there are {', '.join(by_id) or 'none'}")
            line.append(by_id[revision])
            revision = by_id[revision].down
        return line[::-1]

    def state(self, revision: str | None) -> State:
        """Return the objects as they are after ``revision``; none for None."""
        if revision is None:
            return {}
        scripts = self.scripts()
        state: State = {}
        for known in self.line(revision):
            script = scripts.get_revision(known.id)
            state = after(state, script.module.UPGRADE)
        return state

    def scripts(self) -> "ScriptDirectory":
        """Return Alembic's view of the revisions."""
        from alembic.script import ScriptDirectory

        return ScriptDirectory.from_config(self.alembic_config())

    def alembic_config(self) -> "AlembicConfig":
        """Return what Alembic needs to know; there is no alembic.ini."""
        from alembic.config import Config as AlembicConfig

        config = AlembicConfig()
        folders = [self.versions(branch) for branch in Branch if self.versions(branch).is_dir()]
        options = {
            "script_location": str(self.folder),
            "path_separator": "newline",
            "version_locations": "\n".join(map(str, folders)),
        }
        for key, value in options.items():
            config.set_main_option(key, value.replace("%", "%%"))
        return config

    def _files(self, branch: Branch) -> list[Path]:
        folder = self.versions(branch)
        return sorted(p for p in folder.glob("*.py") if p.name != "__init__.py") if folder.is_dir() else []


@dataclass(frozen=True)
class Comparison:
    """What ``sql/`` renders to, compared with a branch's head."""

    branch: Branch
    head: str | None
    before: State
    rendered: State

    @property
    def differences(self) -> list[str]:
        """A line per object that is missing, differs or is no longer rendered."""
        where = f"in revision {self.head}" if self.head else "in any revision"
        lines = [f"{name}: not {where}" for name in self.rendered if name not in self.before]
        lines += [f"{name}: no longer in sql/" for name in self.before if name not in self.rendered]
        lines += [
            f"{name}: differs from revision {self.head}"
            for name in self.rendered
            if name in self.before and fingerprint(self.rendered[name]) != fingerprint(self.before[name])
        ]
        return sorted(lines)


def compare(history: History, config: Config) -> list[Comparison]:
    """Compare each branch's head with what its configuration renders to.

    The shipped branch belongs to the built-in defaults. The user's own is compared when it exists, or when ``config``
    renders to something else than the defaults: then it is the first revision of their own that is missing.

    Raises:
        RenderError: ``sql/`` cannot be rendered.
        HistoryError: the revision files are out of order.
    """
    root = history.root / "sql"
    shipped_head = history.head(Branch.SHIPPED)
    shipped = Comparison(
        Branch.SHIPPED, shipped_head, history.state(shipped_head), ordered(render_objects(Config(), root))
    )
    own = ordered(render_objects(config, root))
    if history.active is Branch.SHIPPED and _same(own, shipped.rendered):
        return [shipped]
    head = history.head()
    return [shipped, Comparison(Branch.LOCAL, head, history.state(head), own)]


def _same(one: State, other: State) -> bool:
    return {n: fingerprint(o) for n, o in one.items()} == {n: fingerprint(o) for n, o in other.items()}


def _read(path: Path) -> Revision:
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise HistoryError(f"{path}: a revision's file is named NNNN_what.py, or local_NNNN_what.py in versions/local")
    assigned: dict[str, object] = {}
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Constant(value)):
                assigned[name] = value
    if assigned.get("revision") != match["revision"]:
        said = assigned.get("revision")
        raise HistoryError(f"{path}: the file says revision {said!r}, its name {match['revision']!r}")
    down = assigned.get("down_revision")
    return Revision(path, match["revision"], None if down is None else str(down))


def _sequence_problems(branch: Branch, found: dict[Branch, list[Revision]]) -> Iterable[str]:
    prefix = "local_" if branch is Branch.LOCAL else ""
    revisions = found[branch]
    for revision in revisions:
        if revision.id.startswith("local_") != bool(prefix):
            yield f"{revision.path.name}: does not belong into {revision.path.parent}"
    numbers = [r.number for r in revisions]
    for number in sorted({n for n in numbers if numbers.count(n) > 1}):
        names = ", ".join(r.path.name for r in revisions if r.number == number)
        yield f"number {number:04} is used more than once: {names}"
    for number in range(1, max(numbers, default=0)):
        if number not in numbers:
            yield f"there is a gap: no revision {prefix}{number:04}, but {prefix}{max(numbers):04}"
    shipped = {r.id for r in found[Branch.SHIPPED]}
    for revision in revisions:
        if revision.number > 1:
            if revision.down != (expected := f"{prefix}{revision.number - 1:04}"):
                yield f"{revision.path.name}: revises {revision.down}, expected {expected}, so there would be two heads"
        elif branch is Branch.SHIPPED and revision.down is not None:
            yield f"{revision.path.name}: revises {revision.down}, but it is the first"
        elif branch is Branch.LOCAL and revision.down is not None and revision.down not in shipped:
            yield f"{revision.path.name}: revises {revision.down}, which is no shipped revision"
