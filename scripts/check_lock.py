"""Check requirements.lock: it fits pyproject.toml, resolves for each Python version, is hashed, and names no index.

What uv has in its cache is used first, which takes seconds. Otherwise resolving needs the network; without it the check
says so and fails, since it proved nothing.
"""

import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
VERSIONS = ("3.11", "3.12", "3.13")


def main() -> int:
    """Run all checks; the exit code is the number of problems found."""
    text = LOCK.read_text(encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        fresh, by_version = pool.submit(out_of_date, text), pool.map(unresolvable, VERSIONS)
        problems = [*written_wrong(text), *fresh.result(), *(problem for found in by_version for problem in found)]
    for problem in problems:
        print(f"requirements.lock: {problem}", file=sys.stderr)  # noqa: T201
    if not problems:
        ran = ".".join(platform.python_version_tuple()[:2])
        resolved = ", ".join(f"{v} (also run)" if v == ran else v for v in VERSIONS)
        print(f"requirements.lock resolves for Python {resolved}")  # noqa: T201
    return len(problems)


def written_wrong(text: str) -> list[str]:
    """Find requirements without hashes, and addresses of indexes."""
    problems = [f"names an address: {m[0]}" for m in re.finditer(r"(--(?:extra-)?index-url|https?://)\S*", text)]
    for requirement in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        if "==" in requirement and "--hash=sha256:" not in requirement:
            problems.append(f"has no hash for {requirement.split()[0]}")
    return problems


def out_of_date(text: str) -> list[str]:
    """Resolve pyproject.toml with the lock's versions preferred; nothing may change."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "requirements.lock"
        fresh.write_text(text, encoding="utf-8")
        done = uv(
            "pip", "compile", "--universal", "--python-version", VERSIONS[0], "--generate-hashes", "--no-header",
            "--no-emit-index-url", "--group", "dev", "pyproject.toml", "-o", str(fresh),
        )  # fmt: skip
        if done.returncode:
            return [f"cannot be resolved anew: {reason(done)}"]
        if requirements(fresh.read_text(encoding="utf-8")) != requirements(text):
            return ["differs from what pyproject.toml resolves to; run `make lock`"]
    return []


def unresolvable(version: str) -> list[str]:
    """Ask whether every locked requirement has a file for a Python version, without installing."""
    done = uv(
        "pip", "compile", "--python-version", version, "--generate-hashes", "--no-header", "--no-deps", "--quiet",
        str(LOCK),
    )  # fmt: skip
    return [f"does not resolve for Python {version}: {reason(done)}"] if done.returncode else []


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return why uv failed; a missing network in plain words."""
    text = done.stderr.strip()
    offline = re.search(
        r"dns error|error sending request|Connection refused|network|Could not connect", text, re.IGNORECASE
    )
    return "the package index cannot be reached; connect to the network and try again" if offline else text[-400:]


def requirements(text: str) -> list[str]:
    """Return the pinned requirements with their markers, without hashes and comments."""
    return sorted(re.findall(r"^[A-Za-z0-9][^\\\n#]*==[^\\\n]*", text, re.MULTILINE))


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run uv from the same environment, from its cache alone when that is enough."""
    command = [Path(sys.executable).parent / "uv", *arguments]
    done = subprocess.run([*command, "--offline"], cwd=ROOT, capture_output=True, text=True, check=False)
    return (
        done if done.returncode == 0 else subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    )


if __name__ == "__main__":
    sys.exit(main())
