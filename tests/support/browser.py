"""A real Chromium before a real `orch serve`: what the tests of the page share."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.forked import Forked

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE, DESK = (390, 844), (1200, 900)
FITS = "(links => links.scrollWidth <= links.clientWidth)(document.querySelector('.orch-links'))"
"""Whether all links of the page's head are seen at once."""
Visit = Callable[..., Page]


@contextlib.contextmanager
def orch_serve(
    *words: str, env: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`orch serve` in a process of its own, because NiceGUI lives once in a process: its URL, and
    the process. ORCH_HOME is the test's."""
    process = Forked(
        "serve",
        "--port",
        "0",
        *words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "orch serves at" not in line:
            process.kill()
            pytest.fail(f"orch serve did not start: {line}{process.communicate()[1]}")
        yield line.split()[-1], process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium (or the one that is there); skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def visits(browser: Browser) -> Iterator[Visit]:
    """Opens pages: `visit(url, size=PHONE, dark=True, language="es")`. At the end nothing may have
    been wrong in the browser's console."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def visit(
        url: str, size: tuple[int, int] = DESK, *, dark: bool = False, language: str = "en"
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            locale=language,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if said.type == "error" and "ERR_CONNECTION" not in said.text
                else None
            ),
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        page.wait_for_function(
            "() => window.did_handshake === true || document.querySelector('main') !== null"
        )
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong, wrong
