"""The page as a desk: what is seen goes into a file, into a link, and stands beside other venues."""

import csv
import itertools
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.conftest import PHONE
from tests.browser.test_accessibility import violations
from tests.browser.test_dashboard import alter, show
from tests.browser.watched import Watched
from tests.worlds.site import Site, World

pytestmark = pytest.mark.browser


def saved(page: Page) -> tuple[str, list[dict[str, str]]]:
    """Press the button and read the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    with Path(download.value.path()).open(newline="") as file:
        return download.value.suggested_filename, list(csv.DictReader(file))


def test_the_candles_in_view_are_saved_with_their_forecasts(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    expect(page.locator("#key")).to_contain_text("came outside")
    name, rows = saved(page)
    assert re.fullmatch(r"candlewave-simulated-BTC-USD-1m-\d{8}T\d{4}Z\.csv", name)
    stored = world.market.conn.execute(
        "SELECT open_time, close, volume FROM candles WHERE symbol = 'BTC/USD' AND timeframe = '1m'"
    ).fetchall()
    closes = {f"{row[0]:%Y-%m-%dT%H:%M:%SZ}": (row[1], row[2]) for row in stored}
    closed = [row for row in rows if row["is_open"] == "false"]
    assert len(closed) > 50
    for row in closed:
        assert (float(row["close"]), float(row["volume"])) == closes[row["open_time"]]
    times = [datetime.fromisoformat(row["open_time"]) for row in rows]
    assert {after - before for before, after in itertools.pairwise(times)} == {timedelta(minutes=1)}
    assert any(row["rsi_14"] for row in closed)
    judged = [row for row in closed if row["forecast_10"]]
    assert len(judged) > 30
    for row in judged:
        is_inside = float(row["forecast_10"]) <= float(row["close"]) <= float(row["forecast_90"])
        assert row["is_inside"] == str(is_inside).lower()
    expect(page.locator("#announcer")).to_have_text(f"Saved {len(rows)} candles.")


def test_what_is_scrolled_out_of_view_is_not_saved(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    _, before = saved(page)
    for _ in range(3):
        page.get_by_role("button", name="Show fewer bars").click()
    _, after = saved(page)
    assert 0 < len(after) < len(before)
    assert after[-1]["open_time"] == before[-1]["open_time"]


def pointed(page: Page) -> str:
    return page.locator("#legend b").first.inner_text()


@pytest.mark.parametrize("back", [60, 650])
def test_a_link_leads_to_the_moment_and_the_choices(watched: Watched, site: Site, world: World, back: int) -> None:
    moment = (world.market.now - timedelta(minutes=back)).replace(second=0, microsecond=0)
    page = show(
        watched, site, f"/?exchange=simulated&symbol=BTC-USD&timeframe=1m&past=15&span=7d&at={moment:%Y-%m-%dT%H:%MZ}"
    )
    expect(page.locator("#moment")).to_contain_text(f"{moment:%H:%M}")
    expect(page.locator("#legend b").first).to_contain_text(f"{moment:%H:%M}")
    expect(page.locator("#past button[aria-pressed=true]")).to_have_text("15m")
    expect(page.locator("#spans button[aria-pressed=true]")).to_have_text("7d")
    page.get_by_role("button", name="Back to the newest bar").click()
    expect(page.locator("#moment")).to_be_hidden()
    assert "at" not in parse_qs(urlsplit(page.url).query)


def test_the_link_button_copies_the_address_of_the_bar_under_the_cursor(
    pages: Callable[..., Watched], site: Site
) -> None:
    page = show(pages(permissions=["clipboard-read", "clipboard-write"]), site)
    page.locator("#chart").focus()
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("PageUp")
    chosen = pointed(page)
    page.keyboard.press("l")
    expect(page.locator("#announcer")).to_contain_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    query = parse_qs(urlsplit(link).query)
    assert set(query) >= {"exchange", "symbol", "timeframe", "past", "span", "indicators", "at"}
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("#legend b").first).to_have_text(chosen)
    page.get_by_role("button", name="Link").click()
    expect(page.locator("#link")).to_have_text("Copied")


def test_a_moment_that_cannot_be_shown_is_said(watched: Watched, site: Site) -> None:
    page = show(watched, site, "/?exchange=simulated&symbol=BTC-USD&timeframe=1m&at=2019-05-01T12:00Z")
    expect(page.locator("#moment")).to_have_text("1 May 2019 12:00 is before the first candle here")
    page.goto(site.url + "/?exchange=simulated&symbol=BTC-USD&timeframe=1m&at=nonsense")
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#moment")).to_be_hidden()


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_other_venues_of_the_coin_stand_beside_it(
    pages: Callable[..., Watched], site: Site, world: World, device: dict[str, Any]
) -> None:
    watched = pages(**device)
    price = world.last_price()

    def listed(rows: list[dict[str, Any]]) -> None:
        [btc] = [row for row in rows if row["symbol"] == "BTC/USD"]
        rows.append({**btc, "exchange": "coinbase", "last_price": price * 1.002, "is_synthetic": False})
        rows.append(
            {**btc, "exchange": "binance", "symbol": "BTC/USDT", "id": "BTC-USDT", "quote": "USDT", "state": "silent"}
        )

    alter(watched.page, "**/v1/symbols", listed)

    def forecast(route: Route) -> None:
        market = parse_qs(urlsplit(route.request.url).query)
        if market["exchange"] == ["simulated"]:
            route.continue_()
            return
        answer = route.fetch(
            url=route.request.url.replace("coinbase", "simulated")
            .replace("binance", "simulated")
            .replace("USDT", "USD")
        )
        document = answer.json()
        for row in document["data"]:
            row.update(
                exchange=market["exchange"][0], reference_price=100.0, price_q50=100.0 + row["horizon_minutes"] / 10
            )
        route.fulfill(response=answer, json=document)

    watched.page.route("**/v1/predictions/latest?*", forecast)
    page = show(watched, site)
    venues = page.locator("#venues")
    venues.locator("summary").click()
    expect(venues.locator("summary")).to_have_text("BTC at 3 venues")
    rows = venues.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("BTC/USD on simulated")
    coinbase, binance = rows.filter(has_text="coinbase"), rows.filter(has_text="binance")
    expect(coinbase.locator("td").nth(1)).to_have_text("+20.0")
    expect(binance.locator("td").nth(1)).to_have_text("–")  # in another currency
    expect(coinbase.locator("td").nth(2)).to_have_text("+0.10\u202f%")
    expect(coinbase.locator("td").nth(5)).to_have_text("+6.00\u202f%")
    expect(binance).to_contain_text("No data")
    assert violations(page) == []
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    expect(coinbase.get_by_role("link")).to_have_attribute(
        "href", re.compile(r"/\?exchange=coinbase&symbol=BTC-USD&timeframe=1m")
    )


def test_a_coin_at_one_venue_has_no_comparison(watched: Watched, site: Site) -> None:
    expect(show(watched, site).locator("#venues")).to_be_hidden()


def test_skill_and_calibration_are_drawn_over_time(watched: Watched, site: Site) -> None:
    asked: list[str] = []

    def history(route: Route) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        asked.append(query["horizon_minutes"])
        answer = route.fetch()
        document = answer.json()
        [row] = document["data"][:1] or [{}]
        hours = [datetime(2026, 3, 2, hour) for hour in range(12)]
        document["data"] = [
            {
                **row,
                "hour": f"{hour:%Y-%m-%dT%H:%M:%SZ}",
                "forecasts": 1000,
                "skill": 0.01 * hour.hour,
                "coverage": 0.7 + 0.01 * hour.hour,
            }
            for hour in reversed(hours)
        ]
        route.fulfill(response=answer, json=document)

    watched.page.route("**/v1/performance/history?*", history)
    page = show(watched, site)
    assert asked == []  # what is folded is not read
    trend = page.locator("#trend")
    trend.locator("summary").click()
    rows = trend.locator("tbody tr")
    expect(rows).to_have_count(4)
    assert sorted(asked, key=int) == ["1", "5", "15", "60"]
    expect(rows.nth(0).get_by_role("img").nth(0)).to_have_attribute(
        "aria-label", "Skill at 1m over 12 hours: now +11.0\u202f%, between 0.0\u202f% and +11.0\u202f%"
    )
    expect(rows.nth(0).get_by_role("img").nth(1)).to_have_attribute(
        "aria-label", "Outcomes in the band at 1m over 12 hours: now 81\u202f%, between 70\u202f% and 81\u202f%"
    )
    expect(rows.nth(3)).to_contain_text("–")  # the baseline at one hour is what skill is measured against
    assert violations(page) == []
