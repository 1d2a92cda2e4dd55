"""Look for secrets in every file of the repository, in its whole history, and in logs: ``make secrets``.

What is found is shown by its first letters only. A secret in the history is in every clone: revoke it.
"""

import hashlib
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CERTAIN = {
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s{0,3}[+ ]?\S{20}",
    "key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
    "token of GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "token of Slack": r"\bxox[abeprs]-[A-Za-z0-9-]{20,}",
    "webhook of Slack": r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}",
    "key of Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "key of a language model": r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}",
    "token of a registry": r"\b(?:pypi-[A-Za-z0-9_-]{50,}|npm_[A-Za-z0-9]{36}\b)",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "key of candlewave": r"\bcw_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\b",
}
"""Texts of these forms are secrets, unless they are made up."""
LIKELY = {
    "password in an address": r"[a-z][a-z0-9+.-]{2,20}://[^\s/:@'\"`]{0,40}:([^\s/@'\"`]{8,80})@",
    "password": r"(?i:password|passwd|secret|token|api_?key|pepper)[\w-]{0,30}['\"]?[ \t]{0,3}[:=][ \t]{0,3}"
    r"['\"]?([A-Za-z0-9+/_=-]{16,120})(?![\w.(\[{])",
}
"""What stands in such places is a secret when it looks random."""
_FORMS = {form: re.compile(pattern) for form, pattern in {**CERTAIN, **LIKELY}.items()}
RANDOM_BITS = 3.5
"""Entropy per letter of a random text; of sixteen random letters and digits nearly all have more."""
KNOWN = {"61114d79ff92": "made up, in tests/unit/core/test_settings.py"}
"""First digits of the SHA-256 of what was looked at and is no secret, and what it is."""


class Finding(NamedTuple):
    """Something that looks like a secret: where, of which form, and all of it."""

    place: str
    form: str
    text: str

    @property
    def digest(self) -> str:
        """What :data:`KNOWN` knows it by."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return f"{self.place}: {self.form}: {self.text[:4]}… ({self.digest})"


def is_random(text: str) -> bool:
    """Tell whether a text looks drawn rather than written: capitals, small letters and digits in no order."""
    kinds = sum(any(kind(letter) for letter in text) for kind in (str.islower, str.isupper, str.isdigit))
    counts = Counter(text).values()
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
    return kinds >= 2 and any(map(str.isdigit, text)) and entropy >= RANDOM_BITS


def scan(place: str, text: str) -> Iterator[Finding]:
    """Yield what looks like a secret in a text; its place gets the number of the line."""
    for form, pattern in _FORMS.items():
        for match in pattern.finditer(text):
            found = match[1] if form in LIKELY else match[0]
            if form in CERTAIN or is_random(found):
                finding = Finding(f"{place}:{text.count(chr(10), 0, match.start()) + 1}", form, found)
                if finding.digest not in KNOWN:
                    yield finding


def files(paths: Iterable[Path]) -> Iterator[Finding]:
    """Scan files, and all files of folders."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.is_symlink():
                yield from scan(str(file), file.read_text(encoding="utf-8", errors="replace"))


def tree(root: Path) -> Iterator[Finding]:
    """Scan what is in git, as it is on disk."""
    return files(root / name for name in _git(root, "ls-files", "-z").split("\0") if name)


def history(root: Path) -> Iterator[Finding]:
    """Scan everything that any commit behind HEAD ever added."""
    log = _git(root, "log", "--no-color", "--no-ext-diff", "--unified=0", "--patch", "--format=%x00%h%n%B", "HEAD")
    for commit in log.split("\0")[1:]:
        name, _, text = commit.partition("\n")
        yield from scan(f"commit {name}", "\n".join(line[1:] for line in text.splitlines() if line.startswith("+")))
        yield from scan(f"message of {name}", text.partition("\ndiff --git ")[0])


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def main(root: Path, paths: list[str]) -> int:
    """Print findings, each once, and return the exit code."""
    seen: dict[tuple[str, str], Finding] = {}
    for finding in [*tree(root), *history(root), *files(map(Path, paths))]:
        seen.setdefault((finding.form, finding.text), finding)
    for finding in seen.values():
        print(finding)  # noqa: T201
    print(f"secrets: {len(seen)} found in tree, history{' and ' + ', '.join(paths) if paths else ''}")  # noqa: T201
    return int(bool(seen))


if __name__ == "__main__":
    sys.exit(main(ROOT, sys.argv[1:]))
