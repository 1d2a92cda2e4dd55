"""Prepare build/docs for mkdocs: the pages of docs/, README and changelog, and references of commands and REST API.

Links to files outside docs/ work on the repository's own page, not on the site: there they become plain text.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from candlewave.cli import app
from candlewave.core.config import load_config
from candlewave.services.api.app import create_app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TARGET = ROOT / "build" / "docs"
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_HOME = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}


def main() -> None:
    """Write all pages anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(DOCS, TARGET, ignore=shutil.ignore_patterns("*.in", "*.lock"))
    for page in DOCS.rglob("*.md"):
        own = page.relative_to(DOCS)
        (TARGET / own).write_text(linked(page.read_text(encoding="utf-8"), page, own), encoding="utf-8")
    for name, own_name in _HOME.items():
        page = ROOT / name
        (TARGET / own_name).write_text(linked(page.read_text(encoding="utf-8"), page, Path(own_name)), encoding="utf-8")
    reference = TARGET / "reference"
    reference.mkdir()
    (reference / "commands.md").write_text(commands(), encoding="utf-8")
    (reference / "rest.md").write_text(rest(), encoding="utf-8")


def linked(text: str, page: Path, own: Path) -> str:
    """Return a page whose links lead to pages of the site.

    Raises:
        FileNotFoundError: a link leads to a file that does not exist.
    """

    def replace(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        file = (page.parent / target).resolve()
        if not file.exists():
            raise FileNotFoundError(f"{page.relative_to(ROOT)}: {found['target']} does not exist")
        if file.parent == ROOT and file.name in _HOME:
            place = Path(_HOME[file.name])
        elif file.is_relative_to(DOCS) and file.is_file():
            place = file.relative_to(DOCS)
        else:
            return found["text"]
        up = "../" * (len(own.parts) - 1)
        return f"{found['image']}[{found['text']}]({up}{place.as_posix()}{'#' + anchor if anchor else ''})"

    return _LINK.sub(replace, text)


def commands() -> str:
    """Return the reference of the command line."""
    lines = ["# Commands", "", "Written from `candlewave --help`. Times are UTC."]
    lines += [
        line for name, command in sorted(_flat(get_command(app), "candlewave")) for line in _command(name, command)
    ]
    return "\n".join(lines) + "\n"


def _flat(command: Any, name: str) -> list[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    own = [(name, command)] if not children or command.invoke_without_command else []
    return own + [entry for child in children.values() for entry in _flat(child, f"{name} {child.name}")]


def _command(name: str, command: Any) -> list[str]:
    context = typer.Context(command, info_name=name)
    lines = ["", f"## {name}", "", _prose(command.help or "")]
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            if parameter.param_type_name != "argument":
                continue
            record = (parameter.make_metavar(context), parameter.help or "")
        rows.append(f"| `{_cell(record[0])}` | {_cell(record[1])} |")
    return [*lines, "", "| option | meaning |", "|---|---|", *rows] if rows else lines


def rest() -> str:
    """Return the reference of the REST API."""
    document = create_app(lambda: "postgresql://nobody@127.0.0.1:1/none", load_config()).framework.openapi()
    lines = [
        "# REST",
        "",
        "Written from `/openapi.json`. [REST API](../api.md) explains rules that hold for all paths.",
    ]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            lines += [
                "",
                f"## {method.upper()} {path}",
                "",
                _prose(operation.get("description", operation.get("summary", ""))),
            ]
            parameters = operation.get("parameters", [])
            if parameters:
                lines += ["", "| parameter | required | meaning |", "|---|---|---|"]
                lines += [
                    f"| `{one['name']}` | {'yes' if one.get('required') else ''} |"
                    f" {_cell(one.get('description') or one.get('schema', {}).get('description', ''))} |"
                    for one in parameters
                ]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", text).replace("<", "&lt;").strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main()
