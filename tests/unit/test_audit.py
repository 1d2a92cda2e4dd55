"""The audit fails for what is vulnerable, and says so when it could not ask."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from scripts import audit
from scripts.audit import UnansweredError

TODAY = date(2026, 3, 2)
ADVISORY = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}
CANARY = [{"name": "jinja2", "version": "2.4.1", "vulns": [ADVISORY]}]


def run(
    found: Sequence[Mapping[str, Any]] | Exception,
    canary: Sequence[Mapping[str, Any]] = CANARY,
    *,
    strict: bool = False,
    ignored: Mapping[str, tuple[date, str]] | None = None,
) -> int:
    def ask(requirements: Path) -> Sequence[Mapping[str, Any]]:
        if requirements.name == "canary.txt":
            return canary
        if isinstance(found, Exception):
            raise found
        return found

    return audit.audit([Path("a.lock")], today=TODAY, strict=strict, ask=ask, ignored=ignored or {})


def test_what_is_vulnerable_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([{"name": "x", "version": "1.0", "vulns": [ADVISORY]}, {"name": "y", "version": "2", "vulns": []}]) == 1
    assert capsys.readouterr().out == "a.lock: x 1.0: PYSEC-2026-1, mended in 1.1\n"
    assert run([{"name": "y", "version": "2", "vulns": []}]) == 0
    assert capsys.readouterr().out == "audit: no known vulnerability in 1 packages\n"


@pytest.mark.parametrize(
    ("found", "canary", "reason"),
    [
        (UnansweredError("no route to host"), CANARY, "no route to host"),
        ([], [{"name": "jinja2", "skip_reason": "not found"}], "knows no advisory, not even those of jinja2==2.4.1"),
    ],
)
def test_without_an_answer_it_is_skipped_with_the_reason(
    capsys: pytest.CaptureFixture[str],
    found: Sequence[Mapping[str, Any]] | Exception,
    canary: Sequence[Mapping[str, Any]],
    reason: str,
) -> None:
    assert [run(found, canary), run(found, canary, strict=True)] == [0, 1]
    assert [reason in line for line in capsys.readouterr().out.splitlines()] == [True, True]


def test_what_is_ignored_counts_again_after_its_day(capsys: pytest.CaptureFixture[str]) -> None:
    found = [{"name": "x", "version": "1.0", "vulns": [ADVISORY]}]
    codes = [run(found, ignored={"CVE-2026-1": (day, "not used")}) for day in (TODAY, date(2026, 3, 1))]
    assert codes == [0, 1]
    assert "PYSEC-2026-1" in capsys.readouterr().out


def test_all_lock_files_are_audited() -> None:
    kept = {path.relative_to(audit.ROOT).as_posix() for path in audit.ROOT.glob("[!.]*/*.lock")}
    assert {*kept, "requirements.lock"} == set(audit.LOCKS)
