"""Write the list of the monitor's rules in docs/monitoring.md from the rules themselves."""

import inspect
import textwrap

from candlewave.core.paths import project_root
from candlewave.rules import RULES

PAGE = project_root() / "docs" / "monitoring.md"

_BEGIN, _END = "<!-- rules: written by make docs-rules -->\n", "<!-- end of rules -->\n"


def page(text: str) -> str:
    """Return the text of the page with the list as the rules are now."""
    before, _, rest = text.partition(_BEGIN)
    _, found, after = rest.partition(_END)
    if not found:
        raise ValueError(f"{PAGE} lacks {_BEGIN.strip()} or {_END.strip()}")
    return before + _BEGIN + "".join(_section(name) for name in RULES) + _END + after


def _section(name: str) -> str:
    module = inspect.getmodule(RULES[name].judge)
    words = " ".join(inspect.cleandoc(module.__doc__ or "").split()).replace("``", "`")
    text = textwrap.fill(words, 124, break_long_words=False, break_on_hyphens=False)
    return f"### {name}\n{text}\nSeverity {RULES[name].severity}; [runbook](runbooks/{name}.md).\n\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
