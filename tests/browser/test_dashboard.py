"""The dashboard in a real browser, on a real API and engine: what it shows, and that it stays right."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.conftest import CONFIG, PATIENCE, PHONE
from tests.browser.watched import Watched
from tests.worlds.market import open_market
from tests.worlds.site import MINUTE, SYMBOLS, Site, World

from candlewave.core.config import Config
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.services.api.app import Application, create_app
from candlewave.services.ingest.simulator import Simulator

pytestmark = pytest.mark.browser

BTC = "/?exchange=simulated&symbol=BTC-USD&timeframe=1m"


def show(watched: Watched, site: Site, path: str = BTC) -> Page:
    """Open the page and wait until its candles are drawn and live."""
    watched.page.goto(site.url + path)
    expect(watched.page.locator("#connection")).to_have_text("Live")
    expect(watched.page.locator("#chart-empty")).to_be_hidden()
    return watched.page


def alter(page: Page, address: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Let the page see other rows than the API answers with."""

    def altered(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        change(document["data"])
        route.fulfill(response=answer, json=document)

    page.route(address, altered)


def shown(price: float, digits: int = 2) -> str:
    """Return a price as the page writes it."""
    return f"{price:,.{digits}f}"


def test_shows_all_layers(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    expect(page.locator("#market-name")).to_have_text("BTC/USD on simulated")
    expect(page.locator("#synthetic")).to_have_text("Synthetic data, not a market")
    expect(page.locator("#price")).to_have_text(re.compile(re.escape(shown(world.last_price()))))
    expect(page.locator("#change")).to_contain_text("since")
    expect(page.locator("#quiet-since")).to_have_text(re.compile(r"no trade for \d+ min"))
    expect(page.locator(".forecasts li")).to_have_count(4)
    expect(page.locator("#forecast-note")).to_contain_text("candlewave 7, baseline")
    expect(page.locator("#layers > div")).to_have_count(6)
    expect(page.locator('#layers [data-layer="candles"]')).to_have_attribute("data-state", "fresh")
    expect(page.locator(".headlines li")).to_have_count(4)
    expect(page.locator("#mood svg")).to_have_count(1)
    expect(page.locator(".alerts li")).to_have_count(1)
    expect(page.locator("#alert-note")).to_have_text("1 firing")


def test_a_market_whose_data_have_stopped_is_not_live(
    watched: Watched, world: World, serve: Callable[[Callable[[], Application]], Site]
) -> None:
    site = serve(lambda: create_app(lambda: world.url, CONFIG))  # the clock is twenty minutes ahead of the market
    page = watched.page
    page.goto(site.url + BTC)
    expect(page.locator("#connection")).to_have_text("No data")
    expect(page.locator("#connection")).to_have_attribute("data-state", "silent")
    expect(page.locator('#layers [data-layer="candles"]')).to_have_attribute("data-state", "late")


def test_history_is_called_that_and_has_its_own_present(watched: Watched, site: Site, world: World) -> None:
    last = f"{world.market.now:%Y-%m-%dT%H:%M:%SZ}"

    def replayed(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["exchange"] == "simulated":
                row.update(state="history", last_event=last)

    alter(watched.page, "**/v1/symbols", replayed)
    page = watched.page
    page.goto(site.url + BTC)
    expect(page.locator("#connection")).to_have_text("History")
    expect(page.locator("#history")).to_have_text(re.compile(rf"History, ends .*{world.market.now:%H:%M}"))
    expect(page.locator("#quiet-since")).to_be_hidden()
    expect(page.locator(".forecasts li")).to_have_count(4)
    expect(page.locator("#forecast-note .late")).to_have_count(0)


@pytest.mark.parametrize("remembered", [False, True])
def test_opens_on_a_live_market_after_a_replay(watched: Watched, site: Site, remembered: bool) -> None:
    def after_a_replay(rows: list[dict[str, Any]]) -> None:
        [btc] = [row for row in rows if row["exchange"] == "simulated" and row["symbol"] == "BTC/USD"]
        rows.insert(0, {**btc, "exchange": "replayed", "state": "history"})

    page = watched.page
    alter(page, "**/v1/symbols", after_a_replay)
    if remembered:
        page.goto(site.url)
        page.evaluate("localStorage.setItem('candlewave.exchange', 'replayed')")
        page.evaluate("localStorage.setItem('candlewave.symbol', 'BTC/USD')")
    page.goto(site.url)
    expect(page.locator("#market-name")).to_have_text("BTC/USD on simulated")


def test_a_champion_that_no_longer_forecasts_is_called_switched_off(watched: Watched, site: Site) -> None:
    def without_champion(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.update(model_name="baseline", model_version="1", role="baseline")

    alter(watched.page, "**/v1/predictions/latest?*", without_champion)
    alter(
        watched.page,
        "**/v1/models",
        lambda rows: [row.update(is_silent=row["model_name"] == "candlewave") for row in rows],
    )
    page = show(watched, site)
    expect(page.locator(".verdict strong")).to_have_text("Model switched off")
    expect(page.locator(".verdict")).to_contain_text("candlewave 7 was promoted and no longer forecasts")


def test_a_model_without_skill_is_called_that(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    expect(page.locator(".verdict strong")).to_have_text("No skill")
    expect(page.locator(".verdict")).to_have_attribute("data-skill", "no")
    served = page.locator("#score table").first.locator("tbody tr")
    expect(served).to_have_count(4)
    expect(served.nth(0)).to_contain_text("candlewave 7")
    expect(served.nth(3)).to_contain_text("baseline")
    heads = page.locator("#score table").first.locator("thead th")
    expect(heads).to_have_text(["Ahead", "Error", "Skill", "Interval", "Band", "Sign", "Count"])
    row = world.market.conn.execute(
        "SELECT mae, coverage FROM model_error WHERE symbol = 'BTC/USD' AND model_name = 'candlewave'"
        " AND horizon_minutes = 1 AND span = '24h' ORDER BY hour DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    expect(served.nth(0).locator("td").nth(0)).to_have_text(f"{row[0] * 10_000:.1f}")
    expect(served.nth(0).locator("td").nth(3)).to_have_text(f"{row[1]:.0%}".replace("%", "\u202f%"))


def test_a_better_band_is_said_though_the_median_has_no_skill(watched: Watched, site: Site) -> None:
    def better(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["interval_skill"] = 0.05 if row["horizon_minutes"] == 5 else 0.0

    alter(watched.page, "**/v1/performance?*", better)
    page = show(watched, site)
    expect(page.locator(".verdict strong")).to_have_text("No skill")
    expect(page.locator(".verdict")).to_contain_text("Its band is better than the baseline's at 5m. That may be luck")


@pytest.mark.parametrize(("forecasts", "is_sure"), [(60, False), (900, True)])
def test_skill_over_few_forecasts_is_said_with_a_warning(
    watched: Watched, site: Site, forecasts: int, is_sure: bool
) -> None:
    def skilled(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["forecasts"] = forecasts
            row["skill"] = 0.05 if row["horizon_minutes"] == 1 else 0.0

    alter(watched.page, "**/v1/performance?*", skilled)
    page = show(watched, site)
    expect(page.locator(".verdict strong")).to_have_text("Skill at 1m")
    expect(page.locator(".verdict")).to_contain_text("no skill shown at the other 3 horizons")
    warning = expect(page.locator(".verdict"))
    (warning.not_to_contain_text if is_sure else warning.to_contain_text)(
        "That may be luck: fewer than 300 forecasts are judged."
    )


def test_few_judged_forecasts_are_no_verdict(watched: Watched, site: Site) -> None:
    def few(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["forecasts"] = min(row["forecasts"], 12)

    alter(watched.page, "**/v1/performance?*", few)
    page = show(watched, site)
    expect(page.locator(".verdict strong")).to_have_text("Too early to tell")
    expect(page.locator(".verdict")).to_contain_text("A model serves at 1m, 5m")
    expect(page.locator(".verdict")).to_have_attribute("data-skill", "no")


def test_skill_is_shown_from_thirty_judged_forecasts_on(watched: Watched, site: Site) -> None:
    def lucky(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.update(skill=0.238, interval_skill=0.1, forecasts=29 if row["horizon_minutes"] == 1 else 30)

    alter(watched.page, "**/v1/performance?*", lucky)
    page = show(watched, site)
    rows = page.locator("#score table").first.locator("tbody tr")
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("–")
    expect(rows.nth(0).locator("td").nth(2)).to_have_text("–")
    expect(rows.nth(1).locator("td").nth(1)).to_have_text("+23.8\u202f%")


@pytest.mark.parametrize(
    ("events", "forecasts", "title"),
    [(False, 2, "No model yet"), (True, 2, "Too early to tell"), (True, 300, "No skill")],
)
def test_no_skill_is_said_only_of_what_could_be_judged(
    watched: Watched, site: Site, world: World, events: bool, forecasts: int, title: str
) -> None:
    def baseline(rows: list[dict[str, Any]]) -> None:
        rows[:] = [row for row in rows if row["model_name"] == "baseline"]
        for row in rows:
            row.update(forecasts=forecasts, skill=0.0)

    registered = {
        "event": "registered",
        "reason": "by hand; trained on 26.0 hours",
        "occurred_at": f"{world.market.now:%Y-%m-%dT%H:%M:%SZ}",
    }
    alter(
        watched.page, "**/v1/models", lambda rows: [row.update(events=[registered] if events else []) for row in rows]
    )
    alter(
        watched.page,
        "**/v1/predictions/latest?*",
        lambda rows: [row.update(model_name="baseline", model_version="1", role="baseline") for row in rows],
    )
    alter(watched.page, "**/v1/performance?*", baseline)
    page = show(watched, site)
    expect(page.locator(".verdict strong")).to_have_text(title)


def test_percentages_name_the_close_they_refer_to(watched: Watched, site: Site) -> None:
    def moved(rows: list[dict[str, Any]]) -> None:
        for row in rows:  # the price has fallen since, so that every median is above it and below its reference
            row.update(reference_price=70_000.0, price_q50=69_930.0)

    alter(watched.page, "**/v1/predictions/latest?*", moved)
    page = show(watched, site)
    change = page.locator(".forecasts .middle small").nth(3)
    expect(change).to_have_text("−0.100\u202f%")
    expect(change).to_have_class("fall")
    made = re.compile(r"the median against the close of 70,000\.00 at \d\d:\d\d\.$")
    expect(page.locator("#forecasts .reference")).to_have_text(made)


def test_old_forecasts_say_their_date_with_the_year(watched: Watched, site: Site) -> None:
    def old(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.update(target_time="2019-05-01T16:00:00Z", made_at="2019-05-01T15:00:00Z")

    alter(watched.page, "**/v1/predictions/latest?*", old)
    alter(
        watched.page,
        "**/v1/symbols",
        lambda rows: [row.update(state="history", last_event="2019-05-01T15:00:00Z") for row in rows],
    )
    page = watched.page
    page.goto(site.url + BTC)
    expect(page.locator("#history")).to_have_text("History, ends 1 May 2019 15:00")
    expect(page.locator(".forecasts h3 small").first).to_have_text("1 May 2019 16:00")


def test_the_whole_score_table_is_visible_at_1400_pixels(pages: Callable[..., Watched], site: Site) -> None:
    watched = pages(viewport={"width": 1400, "height": 900})

    def wide(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.update(forecasts=10_080, skill=-0.123, interval_skill=-0.123)

    alter(watched.page, "**/v1/performance?*", wide)
    page = show(watched, site)
    scroll = page.locator("#score .scroll").first
    expect(scroll.locator("tbody tr")).to_have_count(4)
    expect(scroll.locator("tbody td").last).to_have_text("10,080")
    assert scroll.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    for head in scroll.locator("thead abbr").all():
        assert head.get_attribute("title")


def test_prices_and_bars_arrive_live(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    chart = page.locator("#chart")
    newest = int(chart.get_attribute("aria-valuemax") or 0)
    world.advance()
    expect(page.locator("#price")).to_contain_text(shown(world.last_price()))
    expect(page).to_have_title(re.compile(re.escape(shown(world.last_price()))))
    expect(chart).not_to_have_attribute("aria-valuemax", str(newest))
    assert int(chart.get_attribute("aria-valuemax") or 0) > newest


def test_indicators_of_a_new_bar_follow(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    page.locator("#chart-table summary").click()
    rows = page.locator("#chart-table tbody tr")
    world.advance()
    closed = rows.filter(has_not_text="open").first
    row = world.market.conn.execute(
        "SELECT open_time, rsi_14 FROM indicators WHERE symbol = 'BTC/USD' AND timeframe = '1m'"
        " ORDER BY open_time DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    expect(closed).to_contain_text(row[0].strftime("%H:%M"))
    expect(closed.locator("td").last).to_have_text(f"{row[1]:.0f}")


def test_forecasts_arrive_live(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    first = page.locator(".forecasts li").first.locator("svg")
    before = first.get_attribute("aria-label") or ""
    world.advance()
    world.forecast()
    expect(first).not_to_have_attribute("aria-label", before)
    row = world.market.conn.execute(
        "SELECT price_q50 FROM served_predictions WHERE symbol = 'BTC/USD' AND horizon_minutes = 1"
    ).fetchone()
    assert row is not None
    expect(first).to_have_attribute("aria-label", re.compile(f"median {re.escape(shown(row[0]))}"))


def test_an_alert_arrives_live_and_is_announced(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    expect(page.locator(".alerts li")).not_to_have_count(0)
    before = page.locator(".alerts li").count()
    world.alert("model_error_high", 15)
    expect(page.locator(".alerts li")).to_have_count(before + 1)
    expect(page.locator("#announcer")).to_contain_text("Alert:")


def test_survives_a_restart_of_the_api(watched: Watched, site: Site, world: World) -> None:
    watched.allowed += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"]
    page = show(watched, site)
    newest = int(page.locator("#chart").get_attribute("aria-valuemax") or 0)
    site.stop()
    expect(page.locator("#connection")).to_have_text("Reconnecting")
    expect(page.locator("#notice")).to_contain_text("The connection is lost.")
    expect(page.locator("#announcer")).to_contain_text("lost")
    world.advance(2)
    site.start()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#announcer")).to_have_text("Live again.")
    expect(page.locator("#price")).to_contain_text(shown(world.last_price()))
    page.wait_for_function(
        f"() => Number(document.querySelector('#chart').getAttribute('aria-valuemax')) >= {newest + 2}"
    )


def test_a_page_that_nobody_sees_lets_its_connection_go(watched: Watched, site: Site, world: World) -> None:
    page = watched.page
    page.clock.install()
    show(watched, site)
    hide = "(state) => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    with page.expect_event("requestfailed", lambda request: "/v1/stream" in request.url):
        page.evaluate(hide, "hidden")
        page.clock.fast_forward("01:01")
    world.advance()
    with page.expect_request("**/v1/stream?*"):
        page.evaluate(hide, "visible")
    expect(page.locator("#price")).to_contain_text(shown(world.last_price()))
    expect(page.locator("#connection")).to_have_text("Live")


def test_a_part_that_cannot_be_read_says_so_and_recovers(watched: Watched, site: Site) -> None:
    watched.allowed += ["503"]
    page = watched.page
    page.route("**/v1/performance?*", lambda route: route.fulfill(status=503, json={"detail": "Too slow."}))
    show(watched, site)
    expect(page.locator("#score")).to_contain_text("Could not be read: Too slow. Trying again.")
    expect(page.locator("#notice")).to_contain_text("Some data cannot be read.")
    page.unroute("**/v1/performance?*")
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()


def test_an_engine_that_goes_is_noticed_though_the_stream_stays(
    watched: Watched, site: Site, world: World, server: EmbeddedServer
) -> None:
    watched.allowed += ["503"]
    name = world.market.conn.info.dbname
    sessions = f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}'"
    own = {row[0] for row in world.market.conn.execute(sessions).fetchall()}
    page = show(watched, site)
    expect(page.locator(".forecasts li")).to_have_count(4)
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            for (pid,) in conn.execute(sessions).fetchall():
                if pid not in own:
                    conn.execute("SELECT pg_terminate_backend(%s)", [pid])
            expect(page.locator("#connection")).to_have_text("Not live", timeout=2 * PATIENCE)
            expect(page.locator("#notice")).to_contain_text("The SQL engine does not answer. Trying again.")
        finally:
            conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    # The pool's own pauses between attempts have grown meanwhile.
    expect(page.locator("#connection")).to_have_text("Live", timeout=2 * PATIENCE)
    expect(page.locator("#notice")).to_be_hidden()


def test_a_notice_that_stays_is_said_once(watched: Watched, site: Site) -> None:
    watched.allowed += ["503"]
    page = watched.page
    page.route("**/v1/performance?*", lambda route: route.fulfill(status=503, json={"detail": "Too slow."}))
    show(watched, site)
    expect(page.locator("#notice")).to_contain_text("Too slow.")
    changes = "window.changes = 0; new MutationObserver(() => window.changes++)"
    page.evaluate(f"{changes}.observe(document.querySelector('#notice'), {{ childList: true, subtree: true }})")
    for _ in range(2):
        with page.expect_response("**/v1/performance?*"):
            pass
    assert page.evaluate("window.changes") == 0


def test_a_long_sleep_leaves_no_hole(watched: Watched, site: Site, world: World) -> None:
    watched.allowed += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"]
    page = watched.page
    then = (world.market.now - timedelta(hours=11)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = re.compile(r"/v1/(candles|indicators)\?.*limit=600$")
    page.route(old, lambda route: route.continue_(url=f"{route.request.url}&to={then}"))
    show(watched, site)
    page.unroute(old)
    site.stop()
    expect(page.locator("#connection")).to_have_text("Reconnecting")
    site.start()
    expect(page.locator("#connection")).to_have_text("Live")
    page.wait_for_function("() => document.querySelector('#chart').getAttribute('aria-valuemax') >= 599")
    assert int(page.locator("#chart").get_attribute("aria-valuemax") or 0) in (599, 600)


def test_an_engine_that_comes_back_is_noticed(
    watched: Watched, world: World, serve: Callable[[Callable[[], Application]], Site]
) -> None:
    watched.allowed += ["503"]
    where = ["postgresql://nobody@127.0.0.1:1/none"]
    site = serve(lambda: create_app(lambda: where[0], CONFIG, clock=world.clock))
    watched.page.goto(site.url + BTC)
    expect(watched.page.locator("#notice")).to_contain_text("The server cannot be read.")
    expect(watched.page.locator("#notice")).to_contain_text("Trying again.")
    where[0] = world.url
    expect(watched.page.locator("#connection")).to_have_text("Live")
    expect(watched.page.locator("#price")).to_contain_text(shown(world.last_price()))


def test_a_market_without_data_says_so(
    watched: Watched, make_engine: Callable[[Config], str], serve: Callable[[Callable[[], Application]], Site]
) -> None:
    # Of assets without news; of the end.
    watched.allowed += ["404", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_REFUSED"]
    url = make_engine(CONFIG)
    with open_market(url, Simulator(SYMBOLS, start=datetime(2026, 5, 4, tzinfo=UTC))) as market:
        site = serve(lambda: create_app(lambda: url, CONFIG))
        page = watched.page
        page.goto(site.url)
        expect(page.locator("#notice")).to_contain_text("No market has data yet.")
        expect(page.locator("#notice")).to_contain_text("make demo")
        market.conn.execute("INSERT INTO symbols VALUES ('kraken', 'BTC/USD', 'BTC', 'USD')")
        expect(page.locator("#chart-empty")).to_contain_text("No candles of BTC/USD yet: nothing has arrived")
        expect(page.locator("#forecasts")).to_contain_text("No forecast for this market yet.")
        expect(page.locator("#score")).to_contain_text("Nothing to judge yet.")
        site.stop()


def test_market_and_timeframe_are_kept_in_the_address(watched: Watched, site: Site, world: World) -> None:
    page = show(watched, site)
    page.locator("#market").select_option(label="ETH/USD")
    expect(page.locator("#market-name")).to_have_text("ETH/USD on simulated")
    expect(page.locator("#price")).to_contain_text(shown(world.last_price("ETH/USD")))
    page.get_by_role("button", name="15m, candles of 15 minutes").click()
    expect(page.locator("#chart")).to_have_attribute("aria-label", "Candles of ETH/USD, 15m")
    expect(page).to_have_url(re.compile(r"symbol=ETH-USD&timeframe=15m"))
    page.reload()
    expect(page.locator("#market-name")).to_have_text("ETH/USD on simulated")
    expect(page.locator("#chart")).to_have_attribute("aria-label", "Candles of ETH/USD, 15m")
    expect(page.locator("#price")).to_contain_text(shown(world.last_price("ETH/USD")))


def test_older_bars_come_when_they_are_looked_at(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    chart = page.locator("#chart")
    assert int(chart.get_attribute("aria-valuemax") or 0) < 620
    chart.focus()
    page.keyboard.press("Home")
    page.wait_for_function("() => Number(document.querySelector('#chart').getAttribute('aria-valuemax')) > 700")
    # The cursor stays on its bar, which is not the first one any more.
    assert int(chart.get_attribute("aria-valuenow") or 0) > 90


def test_a_page_that_stays_open_forgets_old_bars_unless_they_are_looked_at(watched: Watched, site: Site) -> None:
    page = watched.page
    question = f"{site.url}/v1/candles?exchange=simulated&symbol=BTC-USD&timeframe=1m&limit=1"
    newest = httpx.get(question).json()["data"][0]
    opened = datetime.fromisoformat(newest["open_time"])
    waiting: list[Route] = []
    due: list[str] = []

    def bar(number: int) -> dict[str, object]:
        """Return the bar so many minutes after the newest one."""
        times = {"open_time": opened + number * MINUTE, "close_time": opened + (number + 1) * MINUTE}
        return {**newest, **{name: time.isoformat() for name, time in times.items()}}

    def connect(route: Route) -> None:
        if due:
            route.fulfill(content_type="text/event-stream", body=due.pop(0))
        else:
            waiting.append(route)

    def send(first: int, last: int) -> None:
        """Let the bars of some minutes come at once; then the connection ends."""
        of_market = {"exchange": "simulated", "symbol": "BTC/USD", "timeframe": "1m"}
        bars = (json.dumps({**bar(number), **of_market}) for number in range(first, last + 1))
        due.append("".join(f"event: candle\ndata: {text}\n\n" for text in bars))
        if waiting:
            connect(waiting.pop())

    def wait_for_bars(condition: str) -> None:
        bars = "Number(document.querySelector('#chart').getAttribute('aria-valuemax')) + 1"
        page.wait_for_function(f"() => {bars} {condition}", timeout=2 * PATIENCE)

    first_page = {"data": [bar(-number) for number in range(4900)], "next_cursor": None}
    page.route("**/v1/stream?*", connect)
    page.route(re.compile(r"/v1/candles\?.*timeframe=1m"), lambda route: route.fulfill(json=first_page), times=1)
    page.goto(site.url + BTC)
    wait_for_bars("== 4900")
    page.locator("#chart").focus()
    page.keyboard.press("Home")
    send(1, 150)
    wait_for_bars("== 5050")
    page.locator("#newest").click()
    send(151, 151)
    wait_for_bars("< 4000")


def test_older_bars_that_are_not_wanted_any_more_are_no_error(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    page.route(re.compile(r"/v1/candles\?.*&to="), lambda _: None)  # never answered
    with page.expect_request(re.compile(r"/v1/candles\?.*&to=")):
        page.locator("#chart").focus()
        page.keyboard.press("Home")
    page.locator("#market").select_option(label="ETH/USD")
    expect(page.locator("#chart-empty")).to_be_hidden()
    expect(page.locator("#market-name")).to_have_text("ETH/USD on simulated")


def test_the_fan_names_its_horizons(watched: Watched, site: Site) -> None:
    page = watched.page
    page.add_init_script(
        "window.drawn = new Set(); const fill = CanvasRenderingContext2D.prototype.fillText;"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {"
        " window.drawn.add(text); return fill.call(this, text, ...at); };"
    )
    show(watched, site)
    expect(page.locator(".forecasts li")).to_have_count(4)
    page.wait_for_function("() => ['5m', '15m', '1h'].every((name) => window.drawn.has(name))")


def test_more_alerts_than_shown_are_counted(watched: Watched, site: Site) -> None:
    def many(rows: list[dict[str, Any]]) -> None:
        rows[:] = [{**rows[0], "fingerprint": f"{number}"} for number in range(9)]

    alter(watched.page, "**/v1/alerts?status=firing*", many)
    page = show(watched, site)
    expect(page.locator("#alert-note")).to_have_text("9 firing")
    expect(page.locator(".alerts li")).to_have_count(6)
    expect(page.locator("#alerts")).to_contain_text("3 more fire: candlewave alerts")


def test_a_market_that_trades_now_has_no_old_price(watched: Watched, site: Site) -> None:
    def fresh(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["last_trade"] = datetime.now(UTC).isoformat()

    alter(watched.page, "**/v1/symbols", fresh)
    page = show(watched, site)
    expect(page.locator("#price")).to_contain_text("USD")
    expect(page.locator("#quiet-since")).to_be_hidden()


def test_past_forecasts_can_be_changed_and_are_remembered(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    page.locator("#past").get_by_text("15m").click()
    page.locator("#past-table summary").click()
    expect(page.locator("#past-table tbody tr").last).to_contain_text(re.compile("inside|outside"))
    expect(page.locator("#past-table tbody tr").first).to_contain_text("not known yet")
    page.reload()
    expect(page.locator("#past button[aria-pressed=true]")).to_have_text("15m")
    page.locator("#past").get_by_text("Off").click()
    expect(page.locator("#past-table")).to_be_hidden()


def test_indicators_can_be_chosen(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    expect(page.locator("#legend")).not_to_contain_text("MACD")
    page.locator("#indicator-menu summary").click()
    page.get_by_label("MACD 12 26 9").check()
    expect(page.locator("#legend")).to_contain_text(re.compile(r"MACD −?[0-9]"))
    page.get_by_label("RSI 14").uncheck()
    expect(page.locator("#legend")).not_to_contain_text("RSI")
    page.reload()
    expect(page.locator("#legend")).to_contain_text(re.compile(r"MACD −?[0-9]"))


def test_a_model_that_was_just_promoted_is_not_called_unproven(watched: Watched, site: Site, world: World) -> None:
    def baseline(rows: list[dict[str, Any]]) -> None:
        rows[:] = [row for row in rows if row["model_name"] == "baseline"]

    def promoted(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["model_name"] == "candlewave":
                row.update(promoted_at=f"{world.market.now:%Y-%m-%dT%H:%M:%SZ}", newest_forecast=None, is_silent=False)

    alter(watched.page, "**/v1/performance?*", baseline)
    alter(watched.page, "**/v1/models", promoted)
    alter(
        watched.page,
        "**/v1/predictions/latest?*",
        lambda rows: [row.update(model_name="baseline", model_version="1", role="baseline") for row in rows],
    )
    page = show(watched, site)
    expect(page.locator(".verdict")).to_contain_text("candlewave 7 was promoted and forecasts from the next minute on.")


def test_a_running_training_is_shown_with_its_start_and_progress(watched: Watched, site: Site, world: World) -> None:
    page = watched.page
    since = world.market.now
    training = {"state": "running", "reason": "asked for: coverage (r1)", "since": f"{since:%Y-%m-%dT%H:%M:%SZ}",
                "fitted": 12, "total": 48, "updated_at": f"{since:%Y-%m-%dT%H:%M:%SZ}"}  # fmt: skip

    def train(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "training": training})

    page.route("**/v1/models", train)
    show(watched, site)
    words = f"A model is being trained since {since:%H:%M}: 25\u202f% done (asked for: coverage (r1))."
    expect(page.locator("#training")).to_have_text(words)
    page.unroute("**/v1/models")
    expect(page.locator("#training")).to_be_hidden()


@pytest.mark.parametrize(("warm_bars", "is_marked"), [(41, True), (42, False)])
def test_values_from_too_few_bars_are_marked(watched: Watched, site: Site, warm_bars: int, is_marked: bool) -> None:
    def young(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["warm_bars"] = warm_bars

    alter(watched.page, "**/v1/indicators?*", young)
    page = show(watched, site)
    expect(page.locator("#legend")).to_contain_text(re.compile(r"RSI 14 \d+" + (r"\*" if is_marked else r"\s")))
    assert page.locator("#key").get_by_text("fewer bars than three periods").count() == is_marked
    page.locator("#chart-table summary").click()
    closed = page.locator("#chart-table tbody tr").filter(has_not_text="open").first
    expect(closed.locator("td").last).to_have_text(re.compile(r"^\d+\*$" if is_marked else r"^\d+$"))


def test_headlines_of_strangers_stay_text(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    hostile = page.locator(".headlines li").filter(has_text="onerror")
    expect(hostile).to_have_count(1)
    expect(hostile.locator("a, img")).to_have_count(0)
    link = page.locator(".headlines a").first
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("href", "https://example.org/funds")


def test_the_theme_changes_and_is_remembered(watched: Watched, site: Site) -> None:
    page = show(watched, site)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark theme").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    expect(page.get_by_role("button", name="Light theme")).to_be_visible()


def test_ages_do_not_depend_on_this_machines_clock(pages: Callable[..., Watched], site: Site) -> None:
    page = show(pages(), site)
    expect(page.locator("#forecast-note")).to_contain_text("min ago")
    minutes = int(re.findall(r"made (\d+) min", page.locator("#forecast-note").inner_text())[0])
    wrong = pages()
    wrong.page.add_init_script("{ const now = Date.now; Date.now = () => now() - 3 * 36e5; }")
    show(wrong, site)
    expect(wrong.page.locator("#forecast-note")).to_contain_text(re.compile(f"made ({minutes}|{minutes + 1}) min ago"))


def test_times_can_be_local(pages: Callable[..., Watched], site: Site) -> None:
    page = show(pages(timezone_id="Asia/Kolkata"), site)
    utc = page.locator("#legend b").first.inner_text()
    page.get_by_role("button", name=re.compile("Times are in UTC")).click()
    expect(page.get_by_role("button", name=re.compile("Times are in Asia"))).to_be_visible()
    local = page.locator("#legend b").first.inner_text()
    minutes = [int(text[-5:-3]) * 60 + int(text[-2:]) for text in (utc, local)]
    assert (minutes[1] - minutes[0]) % 1440 in (330, 331)


@pytest.mark.parametrize("width", [390, 320])
def test_fits_a_phone(pages: Callable[..., Watched], site: Site, width: int) -> None:
    page = show(pages(**{**PHONE, "viewport": {"width": width, "height": 844}}), site)
    expect(page.locator(".forecasts li")).to_have_count(4)
    expect(page.locator(".verdict")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for control in page.locator("main :is(button, summary):visible, header :is(button, select):visible").all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["height"], box["width"]) >= 24, control.inner_text()
