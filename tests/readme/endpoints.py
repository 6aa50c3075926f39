"""The table of the endpoint's routes, from the application's own table."""

from __future__ import annotations

from orch.server.api.routes import ROUTES
from tests.readme.markup import cell, code, table


def routes() -> str:
    """Every route with what it is for; those of other APIs by the API's name."""
    return table(
        ("request", "what it does"),
        [
            (
                code(f"{entry.method} {entry.path.replace(':path}', '}')}"),
                cell(_about(entry.path, entry.endpoint)),
            )
            for entry in ROUTES
        ],
    )


def _about(path: str, endpoint: object) -> str:
    paragraph = " ".join((endpoint.__doc__ or "").strip().partition("\n\n")[0].split())
    about = paragraph.partition(": ")[2]
    return (
        about[:1].upper() + about[1:]
        if about
        else f"As in {'OpenAI' if path.startswith('/v1') else 'Ollama'}'s API."
    )
