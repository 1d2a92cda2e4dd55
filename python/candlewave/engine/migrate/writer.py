"""Write a plan as the next revision file of a branch."""

import re
import textwrap
from pathlib import Path

from candlewave.engine.migrate.history import Branch, History, HistoryError
from candlewave.engine.migrate.revisions_plan import Action, Plan
from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep, Step
from candlewave.sqlproject.render import from_text


def write(history: History, branch: Branch, plan: Plan, message: str, *, down_revision: str | None) -> Path:
    """Write the next revision of a branch.

    Args:
        message: one line that says what changes, the start of the file name.
        down_revision: the revision whose state the plan starts from.

    Returns:
        The file.
    """
    from alembic.util import template_to_file

    message = " ".join(message.split())
    if not message:
        raise HistoryError('a revision needs a message: candlewave migration -m "what changes"')
    number = len(history.revisions[branch]) + 1
    revision = f"{'local_' if branch is Branch.LOCAL else ''}{number:04}"
    slug = "_".join(re.findall(r"[a-z0-9]+", message.lower()))[:60].strip("_") or "changes"
    path = history.versions(branch) / f"{revision}_{slug}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = _Names()
    upgrade = [names.step(step, "") for step in plan.upgrade]
    downgrade = [names.step(step, "_BEFORE") for step in plan.downgrade]
    template_to_file(
        history.folder / "script.py.mako",
        path,
        "utf-8",
        message=message.replace("\\", "/").replace('"', "'"),
        summary=_summary(plan),
        revision=revision,
        down_revision=down_revision,
        branch_labels=("local",) if branch is Branch.LOCAL and number == 1 else None,
        imports=[*sorted({type(step).__name__ for step in (*plan.upgrade, *plan.downgrade)}), "run"],
        texts=[(name, _literal(text)) for text, name in names.by_text.items()],
        upgrade_steps=upgrade,
        downgrade_steps=downgrade,
    )
    history.__dict__.pop("revisions", None)
    return path


class _Names:
    """Constants of the file, one per text, named after the object."""

    def __init__(self) -> None:
        self.by_text: dict[str, str] = {}

    def step(self, step: Step, suffix: str) -> str:
        match step:
            case Create(text) | Keep(text):
                return f"{type(step).__name__}({self._name(text, suffix)})"
            case Add(text, columns):
                return f"Add({self._name(text, suffix)}, {columns!r})"
            case Drop(kind, name):
                return f"Drop({kind!r}, {name!r})"
            case Abandon(name):
                return f"Abandon({name!r})"

    def _name(self, text: str, suffix: str) -> str:
        return self.by_text.setdefault(text, from_text(text).name.upper() + suffix)


def _summary(plan: Plan) -> str:
    parts = []
    for action in Action:
        names = [c.name for c in plan.changes if c.action is action]
        if names:
            parts.append(textwrap.fill(f"{action.capitalize()}: {', '.join(names)}.", 110, subsequent_indent="    "))
    return "\n".join(parts)


def _literal(text: str) -> str:
    if '"""' in text or "\\" in text or text.endswith('"'):
        return repr(text)
    return f'"""{text}"""'
