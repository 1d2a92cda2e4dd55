"""Chromium, the world it looks at, and pages whose errors fail the test."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.browser.watched import Watched, watch
from tests.worlds.engine import Databases
from tests.worlds.site import Site, World, open_world

from candlewave.core.config import load_config
from candlewave.services.api.app import Application, create_app

ARTIFACTS = Path(__file__).parent / "artifacts"
CONFIG = load_config()
PATIENCE = 15_000
"""Milliseconds that a condition may take to come true."""

DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}

Open = Callable[..., Page]


def chromium() -> str:
    """Return Debian's Chromium, or another of its kind.

    Playwright's own build is not used: it would be one more download, and of a browser nobody updates.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"no browser in PATH ({', '.join(names)}); Debian's package is: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = chromium()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable)
        yield started
        started.close()


@pytest.fixture(scope="session")
def world(databases: Databases) -> Iterator[World]:
    with open_world(databases.engine(CONFIG), CONFIG) as opened:
        yield opened


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[], Application]], Site]]:
    """Serve applications, each on a port of its own, until the test ends."""
    sites: list[Site] = []

    def start(make_app: Callable[[], Application]) -> Site:
        site = Site(make_app)
        site.start()
        sites.append(site)
        return site

    yield start
    for site in sites:
        site.stop()


@pytest.fixture
def site(world: World, serve: Callable[[Callable[[], Application]], Site]) -> Site:
    """The API on the world, at the market's own time: its data arrive."""
    return serve(lambda: create_app(lambda: world.url, CONFIG, clock=world.clock))


@pytest.fixture
def pages(
    browser: Browser,
    serve: object,  # pages close before the servers do
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Watched]]:
    """Open pages, each in a fresh profile; keep their last look, and fail on errors that the test did not allow."""
    del serve
    opened: list[Watched] = []

    def open_page(**options: Any) -> Watched:
        context = browser.new_context(**{"color_scheme": "light", **DESKTOP, **options})
        context.set_default_timeout(PATIENCE)
        opened.append(watch(context))
        return opened[-1]

    yield open_page
    ARTIFACTS.mkdir(exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")
    unexpected = []
    for number, watched in enumerate(opened):
        watched.page.screenshot(path=ARTIFACTS / f"{name}{f'-{number}' if number else ''}.png", full_page=True)
        unexpected += watched.unexpected()
        watched.page.unroute_all(behavior="ignoreErrors")  # an answer on its way outlives the page
        watched.page.context.close()
    assert unexpected == []


@pytest.fixture
def watched(pages: Callable[..., Watched]) -> Watched:
    """A page on a desktop, in the light theme."""
    return pages()
