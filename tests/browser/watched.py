"""Pages that note what goes wrong on them."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page


@dataclass
class Watched:
    """A page and what went wrong on it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    """Parts of messages that the test provokes."""

    def unexpected(self) -> list[str]:
        """Return the problems that no part of ``allowed`` explains."""
        violations = self.page.evaluate("window.policyViolations ?? []")
        found = [*self.problems, *(f"content security policy: {v}" for v in violations)]
        return [text for text in found if not any(part in text for part in self.allowed)]


_WATCH_POLICY = """
window.policyViolations = [];
addEventListener("securitypolicyviolation", (event) => {
  const { violatedDirective, blockedURI, sourceFile, lineNumber } = event;
  window.policyViolations.push(`${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
});
"""


def watch(context: BrowserContext) -> Watched:
    """Open an empty page that notes errors, failed requests and violations of the content security policy."""
    context.add_init_script(_WATCH_POLICY)
    watched = Watched(context.new_page())

    def note(message: Any) -> None:
        if message.type in ("error", "warning"):
            watched.problems.append(f"{message.type}: {message.text} {message.location.get('url')}")

    watched.page.on("console", note)
    watched.page.on("pageerror", lambda error: watched.problems.append(f"exception: {error}"))
    return watched
