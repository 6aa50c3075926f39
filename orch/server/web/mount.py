"""Mounts the page on the API's application: its views, NiceGUI's own files, and a policy that lets
the browser load and run nothing from elsewhere."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orch.config import paths
from orch.server.http.errors import error_location
from orch.server.service import Service
from orch.server.web.components.i18n import Translator, preferred_language
from orch.server.web.components.standalone import error_page

POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
"""NiceGUI compiles its components in the browser (`unsafe-eval`) and styles them inline; only
scripts of this origin run."""
HEADERS = (
    # not no-referrer: browsers would send `Origin: null` with the page's own forms
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_NO_MODULES = (
    b"Your browser does not support ES modules.<br />Please use a modern browser.",
    "Tu navegador no admite módulos ES.<br />Usa un navegador moderno.".encode(),
)
"""A text of NiceGUI's template that it does not translate."""


def mount_page(app: FastAPI, service: Service) -> ASGIApp:
    """Adds the views behind the application's own routes; returns the application that serves
    both."""
    # NiceGUI creates a storage folder when it is imported; the page stores nothing there
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(paths.data_dir() / "page"))
    from nicegui import core, ui

    from orch.server.web import login

    # NiceGUI would log the text of exceptions, which may quote a prompt
    logging.getLogger("nicegui").setLevel(logging.CRITICAL)
    core.app.on_exception(
        lambda error: logging.getLogger("orch.server").error("%s", error_location(error))
    )
    for path, view in _views().items():
        ui.page(path, response_timeout=30)(_page(view, service))
    app.router.routes += [*login.routes(), *_unknown_api_routes()]
    ui.run_with(
        app,
        title="orch",
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=30,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )
    return _with_page_policy(app)


def _views() -> dict[str, Callable[[Request, Service], Any]]:
    from orch.server.web.activity.view import activity_view
    from orch.server.web.chat.view import chat_view
    from orch.server.web.memory.view import memory_view
    from orch.server.web.models.view import models_view
    from orch.server.web.settings.view import settings_view

    return {
        "/": chat_view,
        "/models": models_view,
        "/activity": activity_view,
        "/memory": memory_view,
        "/settings": settings_view,
    }


def _page(view: Callable[[Request, Service], Any], service: Service) -> Callable[[Request], Any]:
    async def draw(request: Request) -> None:
        await view(request, service)

    return draw


def _unknown_api_routes() -> list[Route]:
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    return [
        Route(f"/{api}/{{rest:path}}", _unknown_api_path, methods=methods)
        for api in ("v1", "api", "orch")
    ]


async def _unknown_api_path(request: Request) -> None:
    """An unknown API path gets an API error instead of a page."""
    others = [
        route
        for route in request.app.router.routes
        if isinstance(route, Route) and route.endpoint is not _unknown_api_path
    ]
    is_wrong_method = any(route.matches(request.scope)[0] is Match.PARTIAL for route in others)
    raise HTTPException(405 if is_wrong_method else 404)


def _with_page_policy(app: ASGIApp) -> ASGIApp:
    """Adds the security headers to every response, and a policy with a nonce to HTML pages."""

    async def with_policy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        head: list[Message] = []
        body = bytearray()
        accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")

        async def send_checked(message: Message) -> None:
            if message["type"] == "http.response.start":
                if _is_page(message):
                    head.append(message)
                    return
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            elif head:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await _send_page(head[0], bytes(body), preferred_language(accepted), send)
                return
            await send(message)

        await app(scope, receive, send_checked)

    return with_policy


def _is_page(message: Message) -> bool:
    """Whether the response is HTML without a policy of its own."""
    headers = {name.lower(): value for name, value in message.get("headers", ())}
    return (
        b"text/html" in headers.get(b"content-type", b"")
        and b"content-security-policy" not in headers
    )


async def _send_page(head: Message, body: bytes, language: str, send: Send) -> None:
    nonce = secrets.token_urlsafe(16)
    if head["status"] >= 400:
        body = error_page(Translator(language), head["status"], nonce).encode()
    elif language == "es":
        body = body.replace(*_NO_MODULES)
    # NiceGUI escapes every < in element data, so each script tag is one of its own
    body = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', body)
    headers = [
        (name, value) for name, value in head["headers"] if name.lower() != b"content-length"
    ]
    policy = POLICY.format(nonce=nonce).encode()
    headers += [(b"content-length", b"%d" % len(body)), (b"content-security-policy", policy)]
    await send({**head, "headers": [*headers, *HEADERS]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
