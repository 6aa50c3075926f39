"""The gettext catalogues of `orch/locale`: extraction, update and compilation with Babel.

`uv run python -m tests.support.catalogues` extracts the page's texts, updates `es.po`, compiles
`es.mo` and lists what is not translated yet. Both files are committed: the page works from a clone
without a build step, and `tests/server/web/test_i18n.py` fails while they are stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from orch.routing.machine.device_wording import device_templates
from orch.routing.wording import templates
from orch.server.web.components.i18n import DOMAIN, LOCALE_DIR

SOURCE = LOCALE_DIR.parent / "server" / "web"
KEYWORDS = {
    "page": None,
    "_page": None,
    "translator": None,
    "N_": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
"""The functions whose literal arguments are texts, as `pybabel extract -k` takes them."""


def po_file(language: str) -> Path:
    """The catalogue that translators edit."""
    return LOCALE_DIR / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def extracted() -> Catalog:
    """Every text of the page's source, and the templates of reasons."""
    catalogue = Catalog(project="orch")
    found = extract_from_dir(SOURCE, keywords=KEYWORDS, strip_comment_tags=True)
    for _, _, message, comments, context in found:
        catalogue.add(message, auto_comments=comments, context=context)
    for text in (*templates(), *device_templates()):
        catalogue.add(text)
    return catalogue


def translated(language: str) -> Catalog:
    """The committed translations."""
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str) -> Catalog:
    """The committed translations with the source's texts: no more, no fewer."""
    catalogue = translated(language)
    created = catalogue.creation_date
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    # no header line changes from run to run: the files are compared
    catalogue.creation_date = catalogue.revision_date = created
    catalogue.project, catalogue.version, catalogue.last_translator = "orch", "page", "orch"
    return catalogue


def compiled(language: str) -> Catalog:
    """The committed .mo file, which the page reads."""
    with po_file(language).with_suffix(".mo").open("rb") as file:
        return read_mo(file)


def messages(catalogue: Catalog) -> Iterator[Message]:
    """Every message but the header."""
    return (message for message in catalogue if message.id)


def ids(message: Message) -> tuple[str, ...]:
    """The English text of a message: one, or singular and plural."""
    return tuple(message.id) if isinstance(message.id, list | tuple) else (message.id,)


def forms(message: Message) -> tuple[str, ...]:
    """The translations of a message: one, or one for each plural form."""
    texts = message.string
    return tuple(texts) if isinstance(texts, list | tuple) else (texts or "",)


def is_translated(message: Message) -> bool:
    """Whether every form of the message has a text."""
    return all(forms(message)) and not message.fuzzy


def main() -> int:
    """Updates the files; the exit code is 1 where a text is not translated."""
    catalogue = updated("es")
    with po_file("es").open("wb") as file:
        write_po(file, catalogue, width=100, sort_output=True, no_location=True, omit_header=False)
    with po_file("es").with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)
    missing = [message.id for message in messages(catalogue) if not is_translated(message)]
    for text in missing:
        print(f"not translated: {text!r}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
