"""Keys, the content security policy, and what the page costs."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect
from tests.browser.conftest import CONFIG
from tests.browser.test_accessibility import violations
from tests.browser.test_dashboard import BTC, show
from tests.browser.watched import Watched
from tests.worlds.site import Site, World

from candlewave.services.api.app import Application, create_app
from candlewave.services.api.security import keys

pytestmark = pytest.mark.browser

PEPPER = b"a pepper of tests"
STATIC = Path(__file__).parents[2] / "python/candlewave/services/api/static"


@pytest.fixture
def guarded(world: World, serve: Callable[[Callable[[], Application]], Site]) -> Site:
    """The API on the world; reading needs a key."""
    return serve(lambda: create_app(lambda: world.url, CONFIG, pepper=PEPPER, anonymous=False, clock=world.clock))


def test_a_key_is_asked_for_and_stays_in_the_tab(watched: Watched, guarded: Site, world: World) -> None:
    watched.allowed += ["401"]
    key, stored = keys.make_key(PEPPER, "page", ["read"], None, datetime.now(UTC))
    keys.store(world.market.conn, stored)
    page = watched.page
    page.goto(guarded.url + BTC)
    entry = page.get_by_role("textbox", name="Key")
    expect(entry).to_be_focused()
    expect(page.locator("#forecasts")).to_contain_text("Needs an API key.")
    assert violations(page) == []

    entry.fill("cw_0123456789ab_" + "x" * 43)
    page.keyboard.press("Enter")
    expect(page.locator("#key-wrong")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('candlewave.key')") is None

    entry.fill(key)
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#price")).to_contain_text("USD")
    expect(page.locator(".forecasts li")).to_have_count(4)
    assert key not in page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    assert page.evaluate("document.querySelector('#key-input').value") == ""

    page.reload()
    expect(page.locator("#connection")).to_have_text("Live")
    other = page.context.new_page()
    other.goto(guarded.url + BTC)
    expect(other.get_by_role("textbox", name="Key")).to_be_visible()
    other.close()

    page.get_by_role("button", name="Forget the API key").click()
    expect(page.get_by_role("textbox", name="Key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_key_that_ends_is_asked_for_again(watched: Watched, guarded: Site, world: World) -> None:
    watched.allowed += ["401", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"]
    key, stored = keys.make_key(PEPPER, "page", ["read"], None, datetime.now(UTC))
    keys.store(world.market.conn, stored)
    page = watched.page
    page.goto(guarded.url + BTC)
    page.get_by_role("textbox", name="Key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("Live")
    # keys.revoke takes the time of this host, which is ahead of the market's.
    world.market.conn.execute("UPDATE api_keys SET revoked_at = %s WHERE prefix = %s", [world.clock(), stored.prefix])
    guarded.stop()
    guarded.start()
    expect(page.locator("#key-wrong")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#notice")).to_contain_text("candlewave apikey create")
    page.get_by_role("button", name="Enter a key").click()
    expect(page.get_by_role("textbox", name="Key")).to_be_focused()


def test_the_policy_is_in_force_and_not_violated(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    assert page.evaluate("window.policyViolations") == []
    with pytest.raises(Error):
        page.add_script_tag(content="window.injected = 1")
    page.wait_for_function("() => window.policyViolations.length === 1")
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
