"""The security of the page: its policy, requests from other sites, and the login; in a real browser
and over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from orch.cli.commands.page import REDIRECT_PAGE
from orch.server.http.sessions import COOKIE
from orch.server.http.wrong_key_limit import MAX_WRONG_KEYS, WRONG_KEYS_WINDOW_S
from tests.support.browser import FITS, PHONE, Visit, orch_serve
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch

KEY = "laptops-own-key-0123456789"
PAGE_PATHS = ("/", "/models", "/activity", "/memory", "/settings")
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"laptop: {KEY}\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def locked(ollama: FakeOllama, keys_file: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL and the process of an `orch serve` with an API key."""
    with orch_serve("--api-key", str(keys_file)) as served:
        yield served


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser context that may get error statuses; `visit` fails on them."""
    context = browser.new_context(locale="en")
    context.set_default_timeout(15_000)
    yield context
    context.close()


def _log_in(page: Page, key: str = KEY) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()


def _enter(url: str, key: str = KEY, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/login", data={"key": key}, headers={"origin": url, **headers})


def _socket(url: str, *, origin: str = "", cookie: str = "") -> int:
    """The status of a WebSocket handshake."""
    try:
        with connect(
            url.replace("http", "ws") + SOCKET,
            additional_headers={"origin": origin or url, "cookie": cookie},
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


# ---------------------------------------------------------------- policy, and other sites


def test_every_page_has_a_policy_and_cannot_be_framed(site: str) -> None:
    for path in (*PAGE_PATHS, "/nope", "/docs"):
        headers = httpx.get(site + path, headers=BROWSER).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert (
            policy["default-src"],
            policy["frame-ancestors"],
            policy["base-uri"],
            policy["form-action"],
        ) == ("'none'", "'none'", "'none'", "'self'")
        assert "'unsafe-inline'" not in policy["script-src"]
        assert "http" not in headers["content-security-policy"]
        assert (
            headers["x-frame-options"],
            headers["referrer-policy"],
            headers["x-content-type-options"],
        ) == ("DENY", "same-origin", "nosniff")
    assert httpx.get(f"{site}/nope", headers=BROWSER).status_code == 404


def test_other_sites_cannot_send_requests_or_open_sockets(site: str) -> None:
    evil = {"origin": "https://evil.example"}
    for path in (
        "/login",
        "/logout",
        "/orch/rate",
        "/api/chat",
        "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
    ):
        assert httpx.post(site + path, headers=evil).status_code == 403
    assert (
        httpx.get(
            site,
            headers={
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "iframe",
            },
        ).status_code
        == 403
    )
    assert (
        _socket(site, origin="https://evil.example"),
        _socket(site, origin="null"),
        _socket(site),
    ) == (403, 403, 101)


def test_the_documentation_works_under_its_policy(site: str, visit: Visit) -> None:
    page = visit(f"{site}/login")  # without keys no login is needed
    assert page.url == f"{site}/"
    expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    page.goto(f"{site}/docs")
    expect(page.get_by_text("/v1/chat/completions").first).to_be_visible()
    assert httpx.get(f"{site}/openapi.json").json()["info"]["title"] == "orch"


# ---------------------------------------------------------------- the login


def test_login_and_logout_never_show_the_key(
    locked: tuple[str, subprocess.Popen[str]], context: BrowserContext
) -> None:
    url, process = locked
    asked: list[str] = []
    page, other = context.new_page(), context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/activity?run=last")
    assert page.url == f"{url}/login?to=/activity"
    _log_in(page, "nobodys-key-0123456789")
    expect(page.get_by_role("alert")).to_have_text("This is not one of this server's keys.")
    _log_in(page)
    page.wait_for_url(f"{url}/activity")
    page.wait_for_function("() => window.did_handshake === true")  # the WebSocket was accepted too
    [cookie] = context.cookies()
    assert (
        cookie["name"],
        cookie["httpOnly"],
        cookie["sameSite"],
        cookie["path"],
        cookie["secure"],
    ) == (COOKIE, True, "Strict", "/", False)
    assert cookie["expires"] == -1
    assert KEY not in cookie["value"]
    other.goto(f"{url}/memory")
    other.wait_for_function("() => window.did_handshake === true")
    other.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert other.evaluate(FITS)  # with the logout button
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{url}/login")
    assert context.cookies() == []
    other.wait_for_function("() => !window.socket.connected")  # the open page was disconnected
    page.goto(url)
    assert page.url == f"{url}/login"
    assert not [each for each in asked if KEY in each]
    process.terminate()
    assert KEY not in "".join(process.communicate())


def test_the_login_is_accessible_in_both_languages(
    locked: tuple[str, subprocess.Popen[str]], visit: Visit
) -> None:
    for language, dark, title in (("es", True, "Entrar en orch"), ("en", False, "Log in to orch")):
        page = visit(locked[0], PHONE, dark=dark, language=language)
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert not Axe().run(page).response["violations"]
    page.keyboard.type(KEY)  # the input has the focus
    page.keyboard.press("Enter")
    page.wait_for_url(f"{locked[0]}/")
    page.wait_for_selector("main")


def test_without_a_login_programs_are_refused_and_browsers_redirected(
    locked: tuple[str, subprocess.Popen[str]],
) -> None:
    url = locked[0]
    redirects = {
        path: httpx.get(url + path, headers=BROWSER)
        for path in ("/", "/models", "/docs", "//evil.example/x", "/a?key=1", "/%0d%0ax")
    }
    assert {response.status_code for response in redirects.values()} == {303}
    locations = [response.headers["location"] for response in redirects.values()]
    assert locations == [
        "/login",
        "/login?to=/models",
        "/login?to=/docs",
        "/login",
        "/login?to=/a",
        "/login",
    ]
    for path in ("/", "/v1/models", "/orch/health", "/_nicegui/nothing.js", "/openapi.json"):
        assert httpx.get(url + path).status_code == 401
    for path in ("/v1/models", "/orch/health"):
        assert httpx.get(url + path, headers=BROWSER).status_code == 401
    assert httpx.get(url, headers={**BROWSER, "sec-fetch-mode": "cors"}).status_code == 401
    assert httpx.post(f"{url}/api/chat", headers=BROWSER).status_code == 401
    assert _socket(url) == 403
    assert _socket(url, cookie=f"{COOKIE}=guessed") == 403


def test_the_cookie_replaces_the_key_only_on_this_origin(
    ollama: FakeOllama, keys_file: Path
) -> None:
    friend = "http://localhost:3000"
    with orch_serve("--api-key", str(keys_file), "--allow-origin", friend) as (url, _):
        cookie = {"cookie": f"{COOKIE}={_enter(url).cookies[COOKIE]}"}
        assert httpx.get(f"{url}/v1/models", headers=cookie).status_code == 200
        assert (
            httpx.get(f"{url}/v1/models", headers={**cookie, "origin": friend}).status_code == 401
        )
        assert (
            httpx.get(
                f"{url}/v1/models", headers={**cookie, "authorization": "Bearer wrong"}
            ).status_code
            == 401
        )
        assert (
            _socket(url, **cookie),
            _socket(url, **cookie, origin="https://evil.example"),
            _socket(url, **cookie, origin=friend),
        ) == (101, 403, 403)
        assert (
            httpx.post(f"{url}/logout", headers={**cookie, "origin": url}).headers["location"]
            == "/login"
        )
        assert httpx.get(f"{url}/v1/models", headers=cookie).status_code == 401


def test_the_form_reveals_nothing_about_keys(locked: tuple[str, subprocess.Popen[str]]) -> None:
    url = locked[0]
    good = _enter(url, origin=url.replace("http", "https"))
    flags = SimpleCookie(good.headers["set-cookie"])[COOKIE]
    assert (
        good.status_code,
        good.headers["location"],
        bool(flags["secure"]),
        bool(flags["httponly"]),
    ) == (303, "/", True, True)
    assert (flags["samesite"].lower(), flags["path"], flags["domain"]) == ("strict", "/", "")
    for target in ("https://evil.example", "//evil.example", "/\\evil.example", "/login"):
        response = httpx.post(
            f"{url}/login", data={"key": KEY, "to": target}, headers={"origin": url}
        )
        assert response.headers["location"] == "/"
    form = httpx.get(f"{url}/login", params={"to": '"><script>1</script>'})
    assert "<script" not in form.text
    assert (
        form.headers["cache-control"],
        "script-src" in form.headers["content-security-policy"],
    ) == ("no-store", False)
    assert _enter(url, "x" * 100_000).status_code == 403
    wrong = [_enter(url, key) for key in ("short", KEY[:-1], "x" * 500)]
    assert {_without_nonce(response) for response in wrong} == {_without_nonce(wrong[0])}
    assert {response.headers.get("set-cookie") for response in wrong} == {None}


def _without_nonce(response: httpx.Response) -> tuple[int, str]:
    nonce = response.headers["content-security-policy"].split("nonce-")[1].split("'")[0]
    return response.status_code, response.text.replace(nonce, "")


def test_wrong_keys_are_limited_and_the_right_key_is_still_accepted(
    locked: tuple[str, subprocess.Popen[str]],
) -> None:
    url = locked[0]
    statuses = [
        _enter(url, f"wrong-key-{number}").status_code for number in range(MAX_WRONG_KEYS + 1)
    ]
    assert statuses == [403] * MAX_WRONG_KEYS + [429]
    bearer = httpx.get(f"{url}/v1/models", headers={"authorization": "Bearer wrong"})
    assert (bearer.status_code, 0 < int(bearer.headers["retry-after"]) <= WRONG_KEYS_WINDOW_S) == (
        429,
        True,
    )
    assert (_enter(url).status_code, COOKIE in _enter(url).cookies) == (303, True)
    assert (
        httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    )


# ---------------------------------------------------------------- what draws no page


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/logout", "/login", "/login/", "/logout/x", "/nope"])
def test_no_page_is_drawn_before_the_login(
    locked: tuple[str, subprocess.Popen[str]], method: str, path: str
) -> None:
    for headers in ({}, BROWSER):
        response = httpx.request(method, f"{locked[0]}{path}", headers=headers)
        assert (response.status_code in (200, 303, 401, 405), "nicegui" in response.text) == (
            True,
            False,
        )


def test_following_a_link_to_logout_does_not_log_out(
    locked: tuple[str, subprocess.Popen[str]],
) -> None:
    url = locked[0]
    cookie = {"cookie": f"{COOKIE}={_enter(url).cookies[COOKIE]}"}
    assert httpx.get(f"{url}/logout", headers=cookie).headers["location"] == "/"
    assert httpx.get(f"{url}/v1/models", headers=cookie).status_code == 200


# ---------------------------------------------------------------- a link that is good once


def _link() -> str:
    return orch("page", "--print").stdout.decode().strip()


@pytest.mark.parametrize("by_file", [False, True], ids=["link", "file"])
def test_a_one_time_link_logs_in_and_leaves_the_url(
    locked: tuple[str, subprocess.Popen[str]],
    context: BrowserContext,
    tmp_path: Path,
    by_file: bool,
) -> None:
    url, link, page = locked[0], _link(), context.new_page()
    referrers: list[str] = []
    page.on("request", lambda request: referrers.append(request.headers.get("referer", "")))
    lead = tmp_path / "lead.html"
    lead.write_text(REDIRECT_PAGE.format(link=link))
    page.goto(lead.as_uri() if by_file else link)
    page.wait_for_url(f"{url}/")
    page.wait_for_function("() => window.did_handshake === true")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert not [each for each in referrers if "link=" in each]
    other = context.browser.new_page()  # type: ignore[union-attr]
    other.goto(link)
    expect(other.get_by_role("alert")).to_have_text(
        "This link has already been used or has expired."
    )
    assert other.context.cookies() == []
    other.close()


def test_other_accounts_see_the_command_to_type(
    ollama: FakeOllama, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with orch_serve(
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "support" / "elsewhere")}
    ) as (url, _):
        for language, title in (
            ("es", "Esta página es de la cuenta que ejecuta orch"),
            ("en", "This page belongs to the account that runs orch"),
        ):
            page = visit(f"{url}/activity", PHONE, language=language)
            assert page.url == f"{url}/login?to=/activity"
            expect(page.get_by_role("heading", name=title)).to_be_visible()
            expect(page.get_by_text("orch page", exact=True)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
            assert not Axe().run(page).response["violations"]
        assert _socket(url) == 403
        page.goto(_link())
        page.wait_for_url(f"{url}/")
        page.wait_for_function("() => window.did_handshake === true")
