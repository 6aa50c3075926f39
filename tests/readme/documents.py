"""The documents and their generated parts, each between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.readme import clients, commands, configuration, days, endpoints, modules

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = {"en": ROOT / "README.md", "es": ROOT / "README.es.md"}


def documents() -> list[Path]:
    """Both READMEs and every page."""
    return [*READMES.values(), *pages()]


def pages() -> list[Path]:
    """Every page of docs/, those of its folders behind its own; docs/site is made of them."""
    inner = sorted(path for path in DOCS.glob("*/*.md") if path.parent.name != "site")
    return [*sorted(DOCS.glob("*.md")), *inner]


def _tried(page: str) -> dict[str, str]:
    return {"tried": clients.of_page(page)}


PARTS: dict[Path, Callable[[], dict[str, str]]] = {
    READMES["en"]: lambda: {"commands": commands.overview("en")},
    READMES["es"]: lambda: {"commands": commands.overview("es")},
    DOCS / "architecture.md": lambda: {
        "ranks": modules.ranks(ROOT / "tests" / "test_layers.py"),
        "tree": modules.tree(ROOT / "orch"),
    },
    DOCS / "benchmarks.md": lambda: {"days": days.section()},
    DOCS / "commands.md": lambda: {
        "reference": commands.reference(),
        "exits": commands.exit_codes(),
    },
    DOCS / "configuration.md": configuration.sections,
    DOCS / "endpoint.md": lambda: {"routes": endpoints.routes()},
    DOCS / "clients" / "index.md": lambda: {"clients": clients.whole()},
    **{DOCS / "clients" / f"{page}.md": partial(_tried, page) for page in clients.PAGES},
}
"""Each document that has generated parts, and what makes those parts by name."""


def replaced(text: str, parts: Mapping[str, str]) -> str:
    """A document with its generated parts replaced. Raises ValueError for a missing mark."""
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, mark, rest = text.partition(begin)
        _, other, after = rest.partition(end)
        if not mark or not other:
            raise ValueError(f"the marks of {name} are missing")
        text = f"{before}{begin}{part}\n{end}{after}"
    return text


def regenerate() -> None:
    """Writes every generated part."""
    for path, parts in PARTS.items():
        path.write_text(replaced(path.read_text(encoding="utf-8"), parts()), encoding="utf-8")
