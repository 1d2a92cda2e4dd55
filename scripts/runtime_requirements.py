"""Print the part of requirements.lock, hashes included, that named packages need; by default what the image needs.

The lock also holds the tools of development, which have no place in the image. Who needs a package stands below it in
comments (``# via``): ``python scripts/runtime_requirements.py [--without NAME] [NAME ...] < requirements.lock``.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator

PROJECT = "candlewave (pyproject.toml)"
"""How the lock names the project's own dependencies; those of development have another name."""

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==", re.MULTILINE)
_VIA = re.compile(r"^    #(?: via)? +(?P<who>\S.*)$", re.MULTILINE)


def entries(lock: str) -> Iterator[tuple[str, str, set[str]]]:
    """Return name, text and dependants of each package."""
    starts = [match.start() for match in _ENTRY.finditer(lock)]
    for start, end in zip(starts, [*starts[1:], len(lock)], strict=True):
        text = lock[start:end]
        match = _ENTRY.match(text)
        assert match is not None
        yield match["name"], text, {via["who"] for via in _VIA.finditer(text)}


def subset(lock: str, names: Iterable[str] = (), without: Iterable[str] = ()) -> str:
    """Return the lock of these packages and of all that they need.

    Args:
        lock: text of requirements.lock.
        names: packages; none is all that the project needs.
        without: packages that are left out, and what only they need.

    Raises:
        ValueError: the lock has no such package.
    """
    every = list(entries(lock))
    wanted, left_out = set(names), set(without)
    if unknown := (wanted | left_out) - {name for name, _, _ in every}:
        raise ValueError(f"not in the lock: {', '.join(sorted(unknown))}")
    kept = wanted or {PROJECT}
    while more := {name for name, _, who in every if name not in kept | left_out and who & kept}:
        kept |= more
    return "".join(text for name, text, _ in every if name in kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    sys.stdout.write(subset(sys.stdin.read(), given.names, given.without))
