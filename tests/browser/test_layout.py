"""Nothing moves, nothing overflows."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_dashboard import show
from tests.browser.watched import Watched
from tests.worlds.site import Site

pytestmark = pytest.mark.browser

WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const { value } of list.getEntries()) window.shift += value;
}).observe({ type: "layout-shift", buffered: true });
"""
MAX_SHIFT = 0.1
"""What web.dev's Core Web Vitals call good: share of the view that moved, times how far."""

PRICES = ("open", "high", "low", "close", "price_q10", "price_q50", "price_q90", "reference_price", "last_price")


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_little_moves_while_the_page_loads(pages: Callable[..., Watched], site: Site, device: dict[str, Any]) -> None:
    watched = pages(**device)
    watched.page.add_init_script(WATCH_SHIFTS)
    page = show(watched, site)
    expect(page.locator(".forecasts li")).to_have_count(4)
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator(".headlines li")).not_to_have_count(0)
    expect(page.locator(".alerts li")).not_to_have_count(0)
    assert page.evaluate("window.shift") < MAX_SHIFT


@pytest.mark.parametrize("width", [1440, 1000, 390])
def test_nothing_moves_while_the_pointer_does(pages: Callable[..., Watched], site: Site, width: int) -> None:
    page = show(pages(viewport={"width": width, "height": 900}), site)
    expect(page.locator("#legend")).to_contain_text("RSI")
    expect(page.locator("#key")).to_contain_text("median")
    box = page.locator("#chart").bounding_box()
    assert box is not None
    tops, bars = set(), set()
    for step in range(5, int(box["width"]) - 70, 25):
        page.mouse.move(box["x"] + step, box["y"] + 100)
        bars.add(page.locator("#chart").get_attribute("aria-valuenow"))
        tops.add((page.locator("#chart").bounding_box() or {}).get("y"))
    assert len(bars) > 3
    assert len(tops) == 1


@pytest.mark.parametrize(
    "device", [DESKTOP, {**PHONE, "viewport": {"width": 320, "height": 740}}], ids=["desktop", "phone"]
)
def test_a_coin_of_many_decimals_fits(pages: Callable[..., Watched], site: Site, device: dict[str, Any]) -> None:
    def scale(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        for row in document["data"]:
            row.update({name: row[name] * 2e-13 for name in PRICES if row.get(name) is not None})
        route.fulfill(response=answer, json=document)

    watched = pages(**device)
    watched.page.route(re.compile(r"/v1/(candles|predictions/latest|symbols)"), scale)
    page = show(watched, site)
    expect(page.locator("#price")).to_contain_text(re.compile(r"0\.0000000[0-9]{5}"))
    expect(page.locator(".forecasts li")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") == device["viewport"]["width"]
    outside = "[...document.querySelectorAll('.forecasts *')].filter((e) => e.getBoundingClientRect().right >"
    outside += " document.querySelector('#forecast-card').getBoundingClientRect().right).length"
    assert page.evaluate(outside) == 0
