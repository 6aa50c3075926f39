"""The way into the page for who is not known as its owner: an API key or a link that is good once,
a cookie in exchange, and the way out."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from orch.server.http.origins import SAFE_PATH
from orch.server.http.sessions import COOKIE, LINK_PARAMETER, LOGIN_PATH, LOGOUT_PATH, LoginSessions
from orch.server.web.components.i18n import Translator, preferred_language

POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action"
    " 'self'; frame-ancestors 'none'"
)
SPANISH = {
    "Log in to orch": "Entrar en orch",
    "API key": "Clave de API",
    "One of the keys that this server was started with.": (
        "Una de las claves con las que se inició este servidor."
    ),
    "Log in": "Entrar",
    "That is none of this server's keys.": "No es ninguna de las claves de este servidor.",
    "Too many wrong keys came from here. The right one is let in at any time.": (
        "Llegaron demasiadas claves erróneas desde aquí. La correcta entra siempre."
    ),
    "This page belongs to the account that runs orch": (
        "Esta página es de la cuenta que ejecuta orch"
    ),
    "Type this in a terminal of that account: it opens the page here, or prints a link that is good once.": (
        "Escribe esto en una terminal de esa cuenta: abre aquí la página o muestra un enlace que"
        " vale una vez."
    ),
    "That link was used already, or is too old.": "Ese enlace ya se usó o es demasiado antiguo.",
}
_TEMPLATE = Path(__file__).with_name("login.html")
_WHAT_TO_TYPE = (
    "Type this in a terminal of that account: it opens the page here, or prints a link that is good"
    " once."
)
_FORM = """<form method="post" action="/login">
<input type="hidden" name="to" value="$to">
<label for="key">$label</label>
<input id="key" name="key" type="password" autocomplete="current-password" autocapitalize="none" spellcheck="false" required autofocus aria-describedby="about">
<p id="about" class="dim">$about</p>
<button type="submit">$enter</button>
</form>"""
_COMMAND = """<p>$about</p>
<p><code>orch page</code></p>"""
_REDIRECT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=/">
<title>orch</title></head><body><a href="/">orch</a></body></html>"""
_MAX_FORM_BYTES = 8192


def routes() -> list[Route]:
    """The form, and the way out. All methods: what a route does not take would have NiceGUI draw a
    page that says so."""
    return [
        Route(LOGIN_PATH, _by_method(GET=get_login, POST=post_login), methods=_ALL),
        Route(LOGOUT_PATH, _by_method(GET=get_logout, POST=post_logout), methods=_ALL),
    ]


_ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_Endpoint = Callable[[Request], Awaitable[Response]]


def _by_method(**endpoints: _Endpoint) -> _Endpoint:
    async def call(request: Request) -> Response:
        endpoint = endpoints.get(request.method)
        return (
            await endpoint(request)
            if endpoint
            else Response(status_code=405, headers={"allow": ", ".join(endpoints)})
        )

    return call


async def get_logout(_: Request) -> Response:
    """`GET /logout`: a link does not log out."""
    return RedirectResponse("/", 303)


async def get_login(request: Request) -> Response:
    """`GET /login`: the form, or what to type; the page itself for its owner or where a cookie is
    there; with a link, a cookie for that."""
    logins = _logins(request)
    if logins is not None and LINK_PARAMETER in request.query_params:
        return _follow_link(request, logins)
    if logins is None or request.scope["state"]["who"] == "owner":
        return RedirectResponse(_target(request.query_params.get("to", "")), 303)
    return _login_page(request, request.query_params.get("to", ""))


def _follow_link(request: Request, logins: LoginSessions) -> Response:
    token = logins.redeem_link(request.query_params[LINK_PARAMETER])
    if token is None:
        return _login_page(request, "", 403, "That link was used already, or is too old.")
    # no redirect: a browser that came from another page would not send the cookie along, and would
    # keep the link as where it came from
    return _set_cookie(
        request,
        token,
        HTMLResponse(
            _REDIRECT_PAGE,
            headers={"content-security-policy": "default-src 'none'", "cache-control": "no-store"},
        ),
    )


async def post_login(request: Request) -> Response:
    """`POST /login`: a cookie for a good key."""
    logins = _logins(request)
    if logins is None or logins.keys is None:
        return RedirectResponse("/", 303)
    said = await _form_fields(request)
    token = logins.log_in(said.get("key", "").strip())
    if token is None:
        late = await logins.tries.record_failure(request.scope["state"]["source"])
        wrong = (
            "Too many wrong keys came from here. The right one is let in at any time."
            if late
            else "That is none of this server's keys."
        )
        return _login_page(request, said.get("to", ""), 429 if late else 403, wrong, late)
    return _set_cookie(request, token, RedirectResponse(_target(said.get("to", "")), 303))


def _set_cookie(request: Request, token: str, answer: Response) -> Response:
    answer.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", path="/", secure=_over_https(request)
    )
    return answer


async def post_logout(request: Request) -> Response:
    """`POST /logout`: the cookie means nothing any more, and its open pages end."""
    logins = _logins(request)
    if logins is not None:
        logins.log_out(_cookies(request))
    answer = RedirectResponse(LOGIN_PATH, 303)
    answer.delete_cookie(
        COOKIE, path="/", httponly=True, samesite="strict", secure=_over_https(request)
    )
    return answer


def _logins(request: Request) -> LoginSessions | None:
    """The guard's; None where no key is needed."""
    found: LoginSessions | None = request.scope["state"].get("logins")
    return found


def _cookies(request: Request) -> bytes:
    return request.headers.get("cookie", "").encode("latin-1")


def _over_https(request: Request) -> bool:
    """Whether the browser came over https: by its own word, since what stands between ends it."""
    return request.headers.get("origin", "").startswith("https://") or request.url.scheme == "https"


def _target(to: str) -> str:
    return to if SAFE_PATH.fullmatch(to) and to not in (LOGIN_PATH, LOGOUT_PATH) else "/"


async def _form_fields(request: Request) -> dict[str, str]:
    """The form's fields; none of them where it is longer than a form of ours."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}


def _login_page(
    request: Request, to: str, status: int = 200, wrong: str = "", wait_s: float = 0.0
) -> Response:
    say = Translator(preferred_language(request.headers.get("accept-language", "")), SPANISH)
    logins = _logins(request)
    by_key, nonce = logins is not None and logins.keys is not None, secrets.token_urlsafe(16)
    about = "One of the keys that this server was started with." if by_key else _WHAT_TO_TYPE
    text = Template(
        _TEMPLATE.read_text(encoding="utf-8").replace("$way", _FORM if by_key else _COMMAND)
    ).substitute(
        language=say.language,
        nonce=nonce,
        title=escape(
            say("Log in to orch" if by_key else "This page belongs to the account that runs orch")
        ),
        label=escape(say("API key")),
        about=escape(say(about)),
        enter=escape(say("Log in")),
        wrong=f'<p class="wrong" role="alert">{escape(say(wrong))}</p>' if wrong else "",
        to=escape(_target(to)),
    )
    headers = {
        "content-security-policy": POLICY.format(nonce=nonce),
        "cache-control": "no-store",
        "vary": "accept-language",
    }
    if wait_s:
        headers["retry-after"] = str(int(wait_s) + 1)
    return HTMLResponse(text, status, headers)
