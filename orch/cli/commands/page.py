"""`orch page`: opens the running server's page in the default browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from orch.errors import OrchError, UsageError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

REDIRECT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>orch</title></head><body><a href="{link}">orch</a></body></html>
"""


@app.command()
def page_command(
    show: Annotated[
        bool,
        typer.Option(
            "--print",
            help="Print a login link instead: valid once, for ten minutes, in any browser.",
        ),
    ] = False,
) -> None:
    """Open the running server's page in your browser."""
    from orch.cli import render

    url, link, is_known = _page_links()
    if show:
        render.print_stdout(link)
    elif not _open_in_browser(url if is_known else _redirect_file(link)):
        render.print_warning(
            "no browser can be opened here; this link opens the page in any browser, once,"
            " within ten minutes:"
        )
        render.print_stdout(link)


def _page_links() -> tuple[str, str, bool]:
    """The page's URL, a login link, and whether the server knows the user without it.

    Raises OrchError.
    """
    from orch.server.local_client import NoServerError, StuckServerError, request_json

    try:
        status, response = request_json("POST", "/orch/page", {}, timeout_s=5)
    except StuckServerError as error:
        raise OrchError(str(error), "orch serve stop ends it") from None
    except NoServerError:
        raise UsageError("no server is running", "orch serve --detach starts one") from None
    if "v" not in response:
        raise OrchError("the server takes no more connections now", "try again in a moment")
    if status != 200:
        raise OrchError(
            response["error"]["message"], response["error"]["hint"], code=response["error"]["code"]
        )
    return response["url"], response["link"], response["told"]


def _redirect_file(link: str) -> str:
    """The URL of a private file that redirects to the link: other accounts can read the command
    line of a browser."""
    from orch.config import paths

    file = paths.data_dir().absolute() / "page.html"
    paths.write_private(file, REDIRECT_PAGE.format(link=link))
    return file.as_uri()


def _open_in_browser(address: str) -> bool:
    import webbrowser  # no other command needs it

    stdout = os.dup(1)
    try:
        os.dup2(2, 1)  # a browser's output must not mix with stdout
        return webbrowser.open(address)
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
