"""Builds the site of docs/ strictly and looks for references to other hosts.

`uv run --group docs python -m tests.readme.site`
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.readme.documents import DOCS

SITE = DOCS / "site"
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|input)\b[^>]*?\b(?:src|data|srcset)=["']?\s*((?:https?:)?//[^\s"'>]+)""",
    re.IGNORECASE,
)
LINKED = re.compile(
    r"""<link\b(?![^>]*\brel=["']?(?:canonical|next|prev)\b)[^>]*?\bhref=["']?\s*((?:https?:)?//[^\s"'>]+)""",
    re.IGNORECASE,
)
STYLED = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^\s"')]+)""", re.IGNORECASE)
WITH_SCRIPTS = re.compile(r"""class=["']?(?:mermaid|arithmatex)\b""")
"""What the theme's own script would fetch a library for from another host."""


def main() -> int:
    """Builds, checks and reports; 1 where a page would load anything from another host."""
    # the build's cache would pass over warnings of pages that did not change
    words = ("zensical", "build", "-f", str(DOCS / "zensical.toml"), "--strict", "--clean")
    subprocess.run([sys.executable, "-m", *words], check=True)
    foreign = sorted(set(references(SITE)))
    for reference in foreign:
        print(reference, file=sys.stderr)
    print(f"{len(list(SITE.rglob('*.html')))} pages, {len(foreign)} references to other hosts")
    return 1 if foreign else 0


def references(site: Path) -> Iterator[str]:
    """What a browser would load from other hosts to show the site; plain links do not count."""
    for path in sorted(site.rglob("*")):
        patterns = {
            ".html": (LOADED, LINKED, STYLED, WITH_SCRIPTS),
            ".css": (STYLED,),
            ".svg": (STYLED,),
        }.get(path.suffix, ())
        text = path.read_text(encoding="utf-8") if patterns else ""
        for pattern in patterns:
            yield from (
                f"{path.relative_to(site)}: {match.group(match.lastindex or 0)}"
                for match in pattern.finditer(text)
            )


if __name__ == "__main__":
    sys.exit(main())
