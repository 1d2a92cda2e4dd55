"""Ask for known vulnerabilities of everything the lock files name: ``make audit``.

Where advisories cannot be asked for, as without a network, the audit says why it did not run and passes; with
``STRICT=1`` it fails then. Run by the Python of ``.venv-audit``, which has pip-audit.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "docs/requirements.lock", "k8s/validate.lock", "k8s/kubectl.lock", "scripts/audit.lock")
CANARY = "jinja2==2.4.1"
"""Has advisories since 2014. A service that knows none of it knows none of anything, as many mirrors do."""
IGNORED: Mapping[str, tuple[date, str]] = {}
"""Advisories that do not concern candlewave, each with the day until which that was found, and why."""

Ask = Callable[[Path], Sequence[Mapping[str, Any]]]


class UnansweredError(Exception):
    """Advisories cannot be asked for; the text says why."""


def ask(requirements: Path) -> Sequence[Mapping[str, Any]]:
    """Return what pip-audit says of each package of a file.

    Raises:
        UnansweredError: it got no answer.
    """
    done = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "-r", str(requirements), "--no-deps", "--disable-pip",
            "--format", "json", "--progress-spinner", "off", "--timeout", "15",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    try:
        found: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise UnansweredError((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]) from None
    return found


def audit(
    locks: Iterable[Path],
    *,
    today: date,
    strict: bool,
    ask: Ask = ask,
    ignored: Mapping[str, tuple[date, str]] = IGNORED,
) -> int:
    """Print what is vulnerable, and return the exit code."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            canary = Path(folder) / "canary.txt"
            canary.write_text(CANARY + "\n", encoding="utf-8")
            if not any(package.get("vulns") for package in ask(canary)):
                raise UnansweredError(f"the index knows no advisory, not even those of {CANARY}")
        answers = {lock: ask(lock) for lock in locks}
    except UnansweredError as reason:
        print(f"audit: skipped, no advisories: {reason}")  # noqa: T201
        return int(strict)
    lines = []
    for lock, packages in answers.items():
        for package in packages:
            for advisory in package.get("vulns", ()):
                names = {advisory["id"], *advisory.get("aliases", ())}
                if not any(name in ignored and ignored[name][0] >= today for name in names):
                    fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
                    lines.append(f"{lock}: {package['name']} {package['version']}: {advisory['id']}, mended in {fixed}")
            if reason := package.get("skip_reason"):
                print(f"audit: not asked for: {reason}")  # noqa: T201
    print("\n".join(lines) or f"audit: no known vulnerability in {sum(map(len, answers.values()))} packages")  # noqa: T201
    return int(bool(lines))


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(audit(map(Path, LOCKS), today=date.today(), strict=os.environ.get("STRICT") == "1"))
