"""The server process: its two sockets, one server for each ORCH_HOME, and an orderly shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from orch.config import paths
from orch.config.socket_path import is_private_folder, socket_path
from orch.errors import OrchError, UsageError
from orch.server.app import create_app
from orch.server.http.connection_limits import ConnectionLimits, fit_open_files
from orch.server.http.guard import Guard
from orch.server.http.peer_user import IDENTIFIES_PEERS
from orch.server.http.protocol import protocol_class
from orch.server.http.rules import Rules
from orch.server.http.sessions import LOGIN_PATH, LOGOUT_PATH, LoginSessions
from orch.server.instance_lock import hold_lock, lock_holder
from orch.server.local_client import NoServerError, StuckServerError, request_json
from orch.server.service import Service

BACKLOG = 2048
SHUTDOWN_GRACE_S = 5
"""For running answers to finish when the server is told to stop."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address to listen at."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a client writes it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def run_server(
    config_dir: Path | None,
    address: ListenAddress,
    rules: Rules,
    limits: ConnectionLimits,
    *,
    with_page: bool,
    announce: Callable[[str], None],
) -> None:
    """Serves until SIGINT or SIGTERM; passes its address to `announce` once it accepts requests.
    Raises OrchError if it can't start."""
    with _hold_instance_lock(), _listen(address) as listener, _prepare_owner_socket() as own:
        service = Service.create(config_dir)
        port = listener.getsockname()[1]
        service.url = ListenAddress(address.host, port).url
        if with_page:
            rules = replace(
                rules,
                logins=LoginSessions(rules.keys, rules.wrong_keys),
                public_paths=rules.public_paths | {LOGIN_PATH, LOGOUT_PATH},
            )
        limits = replace(limits, max_connections=fit_open_files(limits.max_connections))
        config = uvicorn.Config(
            Guard(create_app(service, with_page=with_page), rules),
            http=protocol_class(limits),
            loop="auto",
            lifespan="on",
            log_level="warning",
            # colorama's escape sequences do not reach a terminal (orch.text.terminal)
            use_colors=False,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            ws="websockets-sansio" if with_page else "none",
            backlog=BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        )
        message = _startup_message(service.url, rules)
        _Server(config, own, lambda: announce(message), service).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which also listens on the owner's Unix socket."""

    def __init__(
        self,
        config: uvicorn.Config,
        owner_socket: Path | None,
        on_start: Callable[[], None],
        service: Service,
    ) -> None:
        super().__init__(config)
        self._owner_socket, self._on_start, self._service = owner_socket, on_start, service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens both sockets."""
        await super().startup(sockets)
        if not self.started:
            return
        if self._owner_socket is not None:
            await self._listen_at(self._owner_socket)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams of MCP first, which have no end of their own, and would be waited
        for."""
        await self._service.mcp.aclose()
        await super().shutdown(sockets)

    async def _listen_at(self, path: Path) -> None:
        def connection() -> asyncio.Protocol:
            protocol = self.config.http_protocol_class(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )  # type: ignore[call-arg]
            return protocol

        loop, before = asyncio.get_running_loop(), os.umask(0o177)
        try:
            server = await loop.create_unix_server(
                connection, path=os.fspath(path), backlog=BACKLOG
            )
        finally:
            os.umask(before)
        self.servers.append(server)


def _startup_message(url: str, rules: Rules) -> str:
    """The startup message: the URL, and a login link for the owner where the system does not
    identify peers."""
    needs_link = rules.keys is None and not IDENTIFIES_PEERS
    if rules.logins is None or not needs_link:
        return f"orch serves at {url}"
    link = f"{url}{rules.logins.create_link()}"
    return f"orch serves at {url}\nlogin link for its page, valid once: {link}"


@contextlib.contextmanager
def _hold_instance_lock() -> Iterator[None]:
    """Holds the instance lock. Raises OrchError if another server of this ORCH_HOME has it."""
    with hold_lock() as is_held:
        if not is_held:
            where = f"{_running_server()} (process {lock_holder()})"
            raise OrchError(f"orch serves already{where}", "orch serve stop")
        yield


def _running_server() -> str:
    try:
        return f", at {request_json('GET', '/orch/server', timeout_s=5)[1].get('url')}"
    except StuckServerError:
        return ", and does not answer"
    except NoServerError:
        return ""


@contextlib.contextmanager
def _listen(address: ListenAddress) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        yield listener
    except socket.gaierror:
        raise UsageError(
            f"{address.host!r} is not an address of this machine", "such as --host 127.0.0.1"
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OrchError(
                f"port {address.port} is taken by another program",
                f"orch serve --port {address.port + 1}",
            ) from None
        if error.errno in (errno.EACCES, errno.EADDRNOTAVAIL):
            raise UsageError(
                f"orch can't listen at {address.host} port {address.port}: {error.strerror}",
                "such as --host 127.0.0.1 --port 11435",
            ) from None
        raise
    finally:
        listener.close()


@contextlib.contextmanager
def _prepare_owner_socket() -> Iterator[Path | None]:
    """The path of the owner's socket, free to be bound; None where Unix sockets are not
    supported."""
    path = socket_path()
    if not hasattr(socket, "AF_UNIX"):
        yield None
        return
    paths.make_private(path.parent)
    if not is_private_folder(path.parent):
        raise OrchError(
            f"{path.parent} is not yours alone: no socket is put there",
            "set ORCH_HOME to a folder of your own",
        )
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OrchError(f"{path} is in the way", "move it away")
        path.unlink()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
