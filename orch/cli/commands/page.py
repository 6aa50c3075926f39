"""`orch page`: opens the running server's page in the default browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from orch.errors import OrchError, UsageError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

REDIRECT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={link}">
<title>orch</title></head><body><a href="{link}">orch</a></body></html>
"""


@app.command()
def page_command(
    show: Annotated[
        bool,
        typer.Option(
            "--print",
            help="Print a link that logs one browser in, once, within ten minutes; open nothing.",
        ),
    ] = False,
) -> None:
    """Open the page of the running server in your browser."""
    from orch.cli import render

    url, link, is_told = _address()
    if show:
        render.print_stdout(link)
    elif not _opened(url if is_told else _leading(link)):
        render.print_warning(
            "no browser can be opened here; this link opens the page in one, once, within ten"
            " minutes:"
        )
        render.print_stdout(link)


def _address() -> tuple[str, str, bool]:
    """The page, a link into it, and whether the system tells the server who asks. Raises
    OrchError."""
    from orch.server.local_client import NoServerError, StuckServerError, request_json

    try:
        status, there = request_json("POST", "/orch/page", {}, timeout_s=5)
    except StuckServerError as error:
        raise OrchError(str(error), "orch serve stop ends it") from None
    except NoServerError:
        raise UsageError("no server is running", "orch serve --detach begins one") from None
    if "v" not in there:
        raise OrchError("a server runs, and takes no more connections now", "try again in a moment")
    if status != 200:
        raise OrchError(
            there["error"]["message"], there["error"]["hint"], code=there["error"]["code"]
        )
    return there["url"], there["link"], there["told"]


def _leading(link: str) -> str:
    """The address of a file of the user's own that leads on: all accounts can read the words that a
    browser is started with."""
    from orch.config import paths

    file = paths.data_dir().absolute() / "page.html"
    paths.write_private(file, REDIRECT_PAGE.format(link=link))
    return file.as_uri()


def _opened(address: str) -> bool:
    import webbrowser  # no other command needs it

    before = os.dup(1)
    try:
        os.dup2(2, 1)  # what a browser says is no answer
        return webbrowser.open(address)
    finally:
        os.dup2(before, 1)
        os.close(before)
