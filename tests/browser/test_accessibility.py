"""The dashboard without eyes, without a mouse, and by the rules of axe."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_dashboard import show
from tests.browser.watched import Watched
from tests.worlds.site import Site, World

pytestmark = pytest.mark.browser


def violations(page: Page) -> list[str]:
    """Return what axe finds, rule by rule, with the elements."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes']]}" for rule in found]


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(pages: Callable[..., Watched], site: Site, device: dict[str, Any], theme: str) -> None:
    page = show(pages(**device, color_scheme=theme), site)
    expect(page.locator(".forecasts li")).to_have_count(4)
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator(".headlines li")).not_to_have_count(0)
    expect(page.locator(".alerts li")).not_to_have_count(0)
    assert violations(page) == []
    for summary in page.locator("summary:visible").all():
        summary.click()
    expect(page.locator("#chart-table tbody tr").first).to_be_visible()
    expect(page.locator("#past-table tbody tr").first).to_be_visible()
    assert violations(page) == []


def test_all_can_be_reached_by_keyboard_in_a_sensible_order(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    order = []
    for _ in range(40):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.closest('[id]')?.id ?? ''"))
    wanted = ["market", "timeframes", "zone", "theme", "past", "indicator-menu", "zoom-out", "newest", "chart"]
    wanted += ["chart-table", "past-table", "spans", "headlines"]
    places = [order.index(name) for name in wanted]
    assert places == sorted(places)


def test_the_skip_link_leads_to_the_chart(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#chart")).to_be_focused()


def test_bars_are_read_by_keyboard(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    chart = page.get_by_role("slider")
    expect(chart).to_have_attribute("aria-label", "Candles of BTC/USD, 1m")
    chart.focus()
    last = int(chart.get_attribute("aria-valuemax") or 0)
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuenow", str(last))
    page.keyboard.press("PageUp")
    expect(chart).to_have_attribute("aria-valuenow", str(last - 10))
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuenow", str(last - 11))
    spoken = chart.get_attribute("aria-valuetext") or ""
    assert re.match(r"\d+ \w{3} \d\d:\d\d: open [\d,.]+, high [\d,.]+, low [\d,.]+, close [\d,.]+, volume", spoken)
    assert re.search(r"The forecast made 5 minutes ahead was [\d,.]+ to [\d,.]+, it (held|did not hold)", spoken)
    expect(page.locator("#legend")).to_contain_text(spoken.split(": ")[0])
    page.keyboard.press("Escape")
    expect(chart).to_have_attribute("aria-valuenow", str(last))


def test_the_menu_closes_by_escape_and_gives_the_focus_back(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    opener = page.locator("#indicator-menu summary")
    opener.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#indicator-menu input").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#indicator-choice")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_focus_survives_news(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    page.locator("#spans button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#spans button").first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#spans button").first).to_be_focused()


def test_the_focus_stays_where_numbers_change(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    opener = page.locator("#score summary")
    opener.focus()
    forecast = page.locator(".forecasts li").first.locator("svg")
    before = forecast.get_attribute("aria-label") or ""
    world.advance()
    world.forecast()
    expect(forecast).not_to_have_attribute("aria-label", before)
    expect(opener).to_be_focused()


def test_the_focus_stays_on_a_headline_that_grows_older(watched: Watched, site: Site) -> None:
    watched.page.clock.install()
    page = show(watched, site)
    age = page.locator(".headlines time").first
    before = age.inner_text()
    link = page.locator(".headlines a").first
    link.focus()
    page.clock.fast_forward("02:05")
    expect(age).not_to_have_text(before)
    expect(link).to_be_focused()


def test_the_chart_has_a_table_with_the_same_numbers(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    page.locator("#chart").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    spoken = page.locator("#chart").get_attribute("aria-valuetext") or ""
    page.locator("#chart-table summary").click()
    row = page.locator("#chart-table tbody tr", has_text=spoken.split(": ")[0])
    match = re.search(r"close ([\d,.]+),", spoken)
    assert match is not None
    expect(row.locator("td").nth(3)).to_have_text(match[1])
    expect(page.locator("#chart-table caption")).to_contain_text("newest first")


def test_motion_is_reduced_on_request(pages: Callable[..., Watched], site: Site) -> None:
    page = show(pages(reduced_motion="reduce"), site)
    moving = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).animationName !== 'none' ||"
    moving += " parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    assert page.evaluate(moving) == 0
