"""Parts of candidates as files: numbers as JSON."""

import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_Part = TypeVar("_Part")


def write(path: Path, part: Any) -> None:
    """Write a dataclass of numbers and texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(msgspec.to_builtins(part), indent=1), encoding="utf-8")


def read(path: Path, kind: type[_Part]) -> _Part:
    """Read what :func:`write` wrote."""
    return msgspec.convert(json.loads(path.read_text(encoding="utf-8")), kind)
