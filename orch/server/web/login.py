"""The login for readers who are not known to own the server: an API key or a one-time link is
exchanged for a cookie; and the logout."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from html import escape
from string import Template
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from orch.server.http.origins import SAFE_PATH
from orch.server.http.sessions import COOKIE, LINK_PARAMETER, LOGIN_PATH, LOGOUT_PATH, LoginSessions
from orch.server.web.components.i18n import N_, Translator, preferred_language
from orch.server.web.components.standalone import standalone_page

POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action"
    " 'self'; frame-ancestors 'none'"
)
WRONG_KEY = N_("This is not one of this server's keys.")
TOO_MANY_TRIES = N_("Too many wrong keys from this address. The right key is accepted at any time.")
OLD_LINK = N_("This link has already been used or has expired.")
_FORM = Template("""<form method="post" action="/login">
<input type="hidden" name="to" value="$to">
<label for="key">$label</label>
<input id="key" name="key" type="password" autocomplete="current-password" autocapitalize="none"
 spellcheck="false" required autofocus aria-describedby="about">
<p id="about" class="dim">$about</p>
<button type="submit">$submit</button>
</form>""")
_COMMAND = Template("""<p>$about</p>
<p><code>orch page</code></p>""")
_REDIRECT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=/">
<title>orch</title></head><body><a href="/">orch</a></body></html>"""
_MAX_FORM_BYTES = 8192


def routes() -> list[Route]:
    """The routes, for every method: NiceGUI would answer an unknown method with a page."""
    return [
        Route(LOGIN_PATH, _by_method(GET=get_login, POST=post_login), methods=_ALL),
        Route(LOGOUT_PATH, _by_method(GET=get_logout, POST=post_logout), methods=_ALL),
    ]


_ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_Endpoint = Callable[[Request], Awaitable[Response]]


def _by_method(**endpoints: _Endpoint) -> _Endpoint:
    async def call(request: Request) -> Response:
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            return Response(status_code=405, headers={"allow": ", ".join(endpoints)})
        return await endpoint(request)

    return call


async def get_logout(_: Request) -> Response:
    """`GET /logout`: redirects; following a link must not log out."""
    return RedirectResponse("/", 303)


async def get_login(request: Request) -> Response:
    """`GET /login`: the form, or the command to type. Redirects the owner and readers who are
    logged in; exchanges a one-time link for a cookie."""
    logins = _logins(request)
    to = request.query_params.get("to", "")
    if logins is not None and LINK_PARAMETER in request.query_params:
        return _follow_link(request, logins)
    if logins is None or request.scope["state"]["who"] == "owner":
        return RedirectResponse(_target(to), 303)
    return _login_page(request, to)


def _follow_link(request: Request, logins: LoginSessions) -> Response:
    token = logins.redeem_link(request.query_params[LINK_PARAMETER])
    if token is None:
        return _login_page(request, "", 403, OLD_LINK)
    # not an HTTP redirect: a browser that came from another site would not send the new cookie
    # with it, and would keep the link as the referrer
    headers = {"content-security-policy": "default-src 'none'", "cache-control": "no-store"}
    return _set_cookie(request, token, HTMLResponse(_REDIRECT_PAGE, headers=headers))


async def post_login(request: Request) -> Response:
    """`POST /login`: a cookie for a valid key."""
    logins = _logins(request)
    if logins is None or logins.keys is None:
        return RedirectResponse("/", 303)
    fields = await _form_fields(request)
    to, token = fields.get("to", ""), logins.log_in(fields.get("key", "").strip())
    if token is not None:
        return _set_cookie(request, token, RedirectResponse(_target(to), 303))
    wait_s = await logins.tries.record_failure(request.scope["state"]["source"])
    if wait_s:
        return _login_page(request, to, 429, TOO_MANY_TRIES, wait_s)
    return _login_page(request, to, 403, WRONG_KEY)


def _set_cookie(request: Request, token: str, response: Response) -> Response:
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", path="/", secure=_over_https(request)
    )
    return response


async def post_logout(request: Request) -> Response:
    """`POST /logout`: invalidates the cookie and closes its open pages."""
    logins = _logins(request)
    if logins is not None:
        logins.log_out(_cookies(request))
    response = RedirectResponse(LOGIN_PATH, 303)
    response.delete_cookie(
        COOKIE, path="/", httponly=True, samesite="strict", secure=_over_https(request)
    )
    return response


def _logins(request: Request) -> LoginSessions | None:
    """The guard's logins; None where no key is needed."""
    logins: LoginSessions | None = request.scope["state"].get("logins")
    return logins


def _cookies(request: Request) -> bytes:
    return request.headers.get("cookie", "").encode("latin-1")


def _over_https(request: Request) -> bool:
    """Whether the browser uses HTTPS; its Origin tells so behind a proxy that ends TLS."""
    return request.headers.get("origin", "").startswith("https://") or request.url.scheme == "https"


def _target(to: str) -> str:
    return to if SAFE_PATH.fullmatch(to) and to not in (LOGIN_PATH, LOGOUT_PATH) else "/"


async def _form_fields(request: Request) -> dict[str, str]:
    """The fields of the form; none if the body is longer than the login form can be."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}


def _login_page(
    request: Request, to: str, status: int = 200, error: str = "", wait_s: float = 0.0
) -> Response:
    translator = Translator(preferred_language(request.headers.get("accept-language", "")))
    logins, nonce = _logins(request), secrets.token_urlsafe(16)
    title, body = (
        _form(translator, to)
        if logins is not None and logins.keys is not None
        else _command(translator)
    )
    if error:
        body = f'<p class="wrong" role="alert">{escape(translator(error))}</p>\n{body}'
    headers = {
        "content-security-policy": POLICY.format(nonce=nonce),
        "cache-control": "no-store",
        "vary": "accept-language",
    }
    if wait_s:
        headers["retry-after"] = str(int(wait_s) + 1)
    return HTMLResponse(standalone_page(translator, title, body, nonce), status, headers)


def _form(translator: Translator, to: str) -> tuple[str, str]:
    """Title and body of the form that asks for a key."""
    body = _FORM.substitute(
        to=escape(_target(to)),
        label=escape(translator("API key")),
        about=escape(translator("One of the keys that this server was started with.")),
        submit=escape(translator("Log in")),
    )
    return translator("Log in to orch"), body


def _command(translator: Translator) -> tuple[str, str]:
    """Title and body of the page that names the command to type."""
    about = translator(
        "Run this command in a terminal of that account."
        " It opens the page here, or prints a link that works once."
    )
    title = translator("This page belongs to the account that runs orch")
    return title, _COMMAND.substitute(about=escape(about))
