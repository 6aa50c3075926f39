"""The way into a page that is kept behind an API key: a form that takes the key, a cookie in exchange, and the way out."""

from __future__ import annotations

import secrets
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from orch.server.guard import PLAIN_PATH
from orch.server.logins import COOKIE, LEAVING, PATH, Logins
from orch.server.ui.words import Words, language_of

POLICY = "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
SPANISH = {
    "Log in to orch": "Entrar en orch",
    "API key": "Clave de API",
    "One of the keys that this server was started with.": "Una de las claves con las que se inició este servidor.",
    "Log in": "Entrar",
    "That is none of this server's keys.": "No es ninguna de las claves de este servidor.",
    "Too many wrong keys. Try again in {seconds} s.": "Demasiadas claves erróneas. Inténtalo de nuevo en {seconds} s.",
}
_TEMPLATE = Path(__file__).with_name("login.html")
_MOST_BYTES = 8192


def routes() -> list[Route]:
    """The form, and the way out."""
    return [Route(PATH, show, methods=["GET"]), Route(PATH, enter, methods=["POST"]), Route(LEAVING, leave, methods=["POST"])]


async def show(request: Request) -> Response:
    """`GET /login`: the form; the page itself where no key is needed or a cookie is there."""
    logins = _logins(request)
    if logins is None or logins.of(_cookies(request)) is not None:
        return RedirectResponse(_target(request.query_params.get("to", "")), 303)
    return _form(request, request.query_params.get("to", ""))


async def enter(request: Request) -> Response:
    """`POST /login`: a cookie for a good key."""
    logins = _logins(request)
    if logins is None:
        return RedirectResponse("/", 303)
    said = await _said(request)
    token = logins.enter(said.get("key", "").strip())
    if token is None:
        return _form(request, said.get("to", ""), 429 if logins.wait_s else 403, logins.wait_s)
    answer = RedirectResponse(_target(said.get("to", "")), 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/", secure=_over_https(request))
    return answer


async def leave(request: Request) -> Response:
    """`POST /logout`: the cookie means nothing any more, and its open pages end."""
    logins = _logins(request)
    if logins is not None:
        logins.leave(_cookies(request))
    answer = RedirectResponse(PATH, 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_over_https(request))
    return answer


def _logins(request: Request) -> Logins | None:
    """The guard's; None where no key is needed."""
    found: Logins | None = request.scope["state"].get("logins")
    return found


def _cookies(request: Request) -> bytes:
    return request.headers.get("cookie", "").encode("latin-1")


def _over_https(request: Request) -> bool:
    """Whether the browser came over https: by its own word, since what stands between ends it."""
    return request.headers.get("origin", "").startswith("https://") or request.url.scheme == "https"


def _target(to: str) -> str:
    return to if PLAIN_PATH.fullmatch(to) and to not in (PATH, LEAVING) else "/"


async def _said(request: Request) -> dict[str, str]:
    """The form's fields; none of them where it is longer than a form of ours."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}


def _form(request: Request, to: str, status: int = 200, wait_s: float = 0.0) -> Response:
    say = Words(language_of(request.headers.get("accept-language", "")), SPANISH)
    wrong = say("Too many wrong keys. Try again in {seconds} s.", seconds=int(wait_s) + 1) if wait_s else say("That is none of this server's keys.")
    nonce = secrets.token_urlsafe(16)
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        language=say.language,
        nonce=nonce,
        title=escape(say("Log in to orch")),
        label=escape(say("API key")),
        about=escape(say("One of the keys that this server was started with.")),
        enter=escape(say("Log in")),
        wrong=f'<p class="wrong" role="alert">{escape(wrong)}</p>' if status != 200 else "",
        to=escape(_target(to)),
    )
    headers = {"content-security-policy": POLICY.format(nonce=nonce), "cache-control": "no-store", "vary": "accept-language"}
    if wait_s:
        headers["retry-after"] = str(int(wait_s) + 1)
    return HTMLResponse(text, status, headers)
