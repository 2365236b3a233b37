"""A browser, and atlases of made cohorts to open in it: from disk, and from a web server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from threading import Thread
from typing import Any

import pytest

from helpers.atlases import HOSTILE, Cohort

sync_api = pytest.importorskip("playwright.sync_api", reason="requirements/atlas.txt")

SIZE = {"width": 1600, "height": 1000}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    chromium = which("chromium")
    if chromium is None:
        pytest.skip("no Chromium: make test-atlas installs it")
    with sync_api.sync_playwright() as playwright:
        # The sandbox refuses root, who runs this in containers.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Twelve slides, two patients with two of them, one refused; survival, a hostile cell."""
    cohort = Cohort(tmp_path_factory.mktemp("made"))
    for number in range(12):
        patient = f"p{number // 2}" if number < 4 else None
        cohort.add(
            f"slide_{number:02}",
            columns=6 + number,
            rows=9 + number % 4,
            n_clusters=1 + number % 5,
            patient=patient,
            attention=number != 6,
            pixels=number != 7,
        )
    cohort.refuse("bad", "the slide has 5 µm per pixel: <b>too coarse</b>")
    cohort.write_slides()
    cohort.write_cohort(cohort.analysis({"p1": HOSTILE}))
    return cohort


@pytest.fixture(scope="session")
def served(made: Cohort) -> Iterator[str]:
    """Address of the made atlas on a web server that knows nothing but files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(made.atlas))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Opened:
    """A page, and what it complained of and asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda one: self.problems.append(f"{one.type}: {one.text}"))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda one: self.problems.append(f"dialog: {one.message}"))
        page.on("request", lambda one: self.requests.append(one.url))

    def ready(self) -> None:
        self.page.wait_for_function("() => document.title === 'Atlas: ready'")

    def set(self, **changes: Any) -> None:
        """Change the state as a view does, and wait for the slide that is then open."""
        self.page.evaluate("changes => atlas.state.set(changes)", changes)
        self.settle()

    def settle(self) -> None:
        """Wait until the slide of the state is open, or says why there is none."""
        self.page.wait_for_function(
            "() => document.getElementById('viewer').dataset.open === atlas.state.get('slide')"
            " || !document.getElementById('message').hidden"
        )

    def state(self, name: str) -> str:
        return str(self.page.evaluate("name => atlas.state.get(name)", name))

    def shown(self) -> list[str]:
        """Slides of the table, in its order."""
        return list(self.page.evaluate("atlas.table.order()"))

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Open an address or a file; at the end, nothing may have gone wrong."""
    opened: list[Opened] = []

    def open_(address: str | Path, anchor: str = "") -> Opened:
        page = Opened(browser.new_page(viewport=SIZE))
        opened.append(page)
        where = address.as_uri() if isinstance(address, Path) else address
        page.page.goto(where + anchor)
        page.ready()
        page.settle()
        return page

    yield open_
    for page in opened:
        page.page.close()
    assert [problem for page in opened for problem in page.problems] == []


@pytest.fixture
def page(made: Cohort, visit: Callable[..., Opened]) -> Opened:
    """The made atlas, from disk."""
    return visit(made.atlas / "index.html")
