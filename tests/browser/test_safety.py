"""Keys, the content security policy, and what the page costs."""

from pathlib import Path

import pytest
from playwright.sync_api import Error, expect
from tests.browser.test_dashboard import show
from tests.browser.world import Site, Watched

pytestmark = pytest.mark.browser

STATIC = Path(__file__).parents[2] / "python/candlewave/api/static"


def test_the_policy_is_in_force_and_not_violated(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    assert page.evaluate("window.policyViolations") == []
    with pytest.raises(Error):
        page.add_script_tag(content="window.injected = 1")
    page.wait_for_function("window.policyViolations.length === 1")
    assert page.evaluate("window.injected") is None
    watched.allowed += ["script-src", "Content Security Policy"]


def test_every_module_is_preloaded(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    loaded = page.evaluate(
        "performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname).filter((p) => p.endsWith('js'))"
    )
    preloaded = page.evaluate(
        "[...document.querySelectorAll('link[rel=modulepreload], script[src]')]"
        ".map((e) => new URL(e.href || e.src).pathname)"
    )
    assert set(loaded) == set(preloaded)
    shipped = {f"/static/{path.relative_to(STATIC)}" for path in [*STATIC.rglob("*.js"), *STATIC.rglob("*.mjs")]}
    assert shipped - set(loaded) == {"/static/js/types.js"}


def test_only_this_server_is_asked(watched: Watched, site: Site) -> None:
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    show(watched, site)
    assert [url for url in asked if not url.startswith(site.url)] == []


def test_what_a_first_visit_transfers(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    expect(page.locator(".verdict")).to_be_visible()
    entries = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    assert page.evaluate(f"{entries}.reduce((sum, e) => sum + e.transferSize, 0)") <= 600_000
