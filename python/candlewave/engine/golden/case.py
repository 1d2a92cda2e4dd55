"""What a golden case is on disk: ``<view>/<case>/{NN-<relation>.csv, NN-expected.csv, README.md, candlewave.toml}``."""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from candlewave.core.config import Config, load_config
from candlewave.engine.golden.table import CaseError

_FILE = re.compile(r"(?P<step>\d\d)-(?P<relation>[a-z0-9_]+)\.csv")
_OTHERS = {"README.md", "candlewave.toml"}


@dataclass(frozen=True)
class Step:
    """What arrives together, and what the view shows then.

    Attributes:
        inputs: files of rows to insert, by relation.
        expected: file of the rows of the view; None when the step only prepares the next one.
    """

    number: int
    inputs: dict[str, Path]
    expected: Path | None


@dataclass(frozen=True)
class Case:
    """A golden case."""

    folder: Path
    steps: tuple[Step, ...]

    @property
    def view(self) -> str:
        """The view under test."""
        return self.folder.parent.name

    @property
    def id(self) -> str:
        """``<view>/<case>``."""
        return f"{self.view}/{self.folder.name}"

    @property
    def given(self) -> frozenset[str]:
        """Relations that come from files, in any step."""
        return frozenset(name for step in self.steps for name in step.inputs)

    def config(self) -> Config:
        """Return the configuration of the project, or the case's own; what that leaves out has its default."""
        own = self.folder / "candlewave.toml"
        return load_config(own if own.exists() else None)


def find_cases(root: Path) -> list[Path]:
    """Return the case folders below a folder, in order of name."""
    views = [v for v in sorted(root.iterdir()) if v.is_dir() and v.name[0] not in "._"]
    return [case for view in views for case in sorted(view.iterdir()) if case.is_dir() and case.name[0] not in "._"]


def load_case(folder: Path) -> Case:
    """Read a case's file names.

    Raises:
        CaseError: the story is missing, a file has another name than a case's files have, or nothing is expected in the
            end.
    """
    readme = folder / "README.md"
    if not (readme.is_file() and readme.read_text(encoding="utf-8").strip()):
        raise CaseError(f"{folder}: README.md must tell the case's story")
    files: list[tuple[int, str, Path]] = []
    for path in sorted(folder.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match:
            files.append((int(match["step"]), match["relation"], path))
        elif path.name not in _OTHERS:
            raise CaseError(f"{path}: expected NN-<relation>.csv, NN-expected.csv, README.md or candlewave.toml")
    steps = []
    for number, group in groupby(files, key=lambda file: file[0]):
        named = {relation: path for _, relation, path in group}
        steps.append(Step(number, {k: v for k, v in named.items() if k != "expected"}, named.get("expected")))
    if not steps or steps[-1].expected is None:
        raise CaseError(f"{folder}: the last step needs a file NN-expected.csv")
    return Case(folder, tuple(steps))
