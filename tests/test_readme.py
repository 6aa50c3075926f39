"""The READMEs and docs/: generated parts are up to date, tables render, links lead somewhere."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command

from orch.cli.clients.snippets import SNIPPETS
from orch.cli.main import COMMANDS
from orch.config.version import VERSION
from orch.errors import RUN_CODES
from tests.clients import results
from tests.readme import clients, spanish
from tests.readme.documents import DOCS, PARTS, READMES, ROOT, documents, pages, replaced
from tests.readme.markup import (
    anchors,
    broken_tables,
    cell,
    code,
    fences,
    images,
    links,
    table,
    uneven_rows,
)
from tests.readme.site import references

PAGES = documents()
ORCH = ROOT / "orch"
MOST_LINES = 200


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_generated_parts_are_the_present_ones(path: Path) -> None:
    text = read(path)
    assert text == replaced(text, PARTS[path]()), "uv run python -m tests.readme regenerates them"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_commands_own(name: str) -> None:
    module, about = COMMANDS[name]
    own = (get_command(import_module(module).app).help or "").strip().split("\n\n")[0]
    assert about == " ".join(own.split())


# ---------------------------------------------------------------- READMEs


@pytest.mark.parametrize("path", READMES.values(), ids=READMES)
def test_a_readme_has_at_most_200_lines(path: Path) -> None:
    assert len(read(path).splitlines()) <= MOST_LINES


def test_both_readmes_have_the_same_sections_links_and_pictures() -> None:
    english, other = (read(path) for path in READMES.values())
    for part in (
        _levels,
        lambda text: sorted(set(links(text)) - {path.name for path in READMES.values()}),
        lambda text: list(images(text)),
    ):
        assert part(english) == part(other)


def test_both_readmes_have_the_same_code() -> None:
    english, other = (
        [(fence.language, _without_comments(fence.text)) for fence in fences(read(path))]
        for path in READMES.values()
    )
    assert english == other


def test_both_readmes_have_tables_of_the_same_size() -> None:
    english, other = (
        [line.count("|") for line in read(path).splitlines() if line.startswith("|")]
        for path in READMES.values()
    )
    assert english == other


def test_the_spanish_readme_says_what_speaks_english() -> None:
    assert "están en inglés" in read(READMES["es"])


def test_every_command_has_its_line_in_spanish() -> None:
    assert list(spanish.COMMANDS) == list(COMMANDS)


def _levels(text: str) -> list[str]:
    return re.findall(r"^#+ ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)


def _without_comments(text: str) -> str:
    return re.sub(r"\s+# .*", "", text)


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_row_of_a_table_has_the_cells_of_its_header(path: Path) -> None:
    assert list(uneven_rows(read(path))) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_row_is_part_of_a_table(path: Path) -> None:
    assert list(broken_tables(read(path))) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_code_in_a_table_shows_a_backslash_before_a_bar(path: Path) -> None:
    rows = [line for line in read(path).splitlines() if line.startswith("|")]
    assert [line for line in rows if re.search(r"`[^`]*\\\|[^`]*`", line)] == []


def test_a_bar_in_code_ends_its_cell() -> None:
    text = "| a | b |\n|---|---|\n| `x|y` | 1 |\n| 2 | 3 |\n"
    assert list(uneven_rows(text)) == [(3, "| `x|y` | 1 |")]


def test_a_bar_in_generated_code_does_not() -> None:
    text = table(("a", "b"), [(code("x|y"), cell("one of `a|b`, or x|y"))])
    assert list(uneven_rows(text)) == []
    assert "<code>x&#124;y</code>" in text


def test_a_row_below_an_empty_line_is_told() -> None:
    assert list(broken_tables("| a |\n|---|\n| 1 |\n\n| 2 |\n")) == [(5, "| 2 |")]


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings_that_exist(path: Path) -> None:
    missing = [
        target
        for target in links(read(path))
        if not target.startswith(("http:", "https:")) and not _exists(path, target)
    ]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pictures_come_from_the_repository(path: Path) -> None:
    text = read(path)
    assert [source for source in images(text) if not (path.parent / source).is_file()] == []
    assert not re.search(r"<(?:img|script|iframe|link)\b", text)


def test_every_page_can_be_reached() -> None:
    navigation = re.findall(r'"([\w/-]+\.md)"', read(DOCS / "zensical.toml"))
    assert sorted(navigation) == sorted(path.relative_to(DOCS).as_posix() for path in pages())


def test_every_client_that_was_run_has_its_page() -> None:
    shown = [name for names in clients.PAGES.values() for name in names]
    assert sorted(shown) == sorted(results.read(results.KEPT).clients)


def test_every_client_that_has_a_block_has_its_page() -> None:
    index = read(DOCS / "clients" / "index.md")
    assert set(re.findall(r"^\| \[.+\]\([\w-]+\.md\) \| `([\w-]+)` \|", index, re.M)) == set(
        SNIPPETS
    )


def _exists(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    return file.exists() and (not anchor or anchor in anchors(read(file)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_paths_of_the_repository_exist(path: Path) -> None:
    named = re.findall(r"`((?:orch|tests|docs)/[\w./-]*)`", read(path))
    assert [name for name in named if not (ROOT / name).exists() and name != "docs/site"] == []


def test_the_modules_of_the_architecture_page_exist() -> None:
    named = re.findall(r"`([a-z][\w/]*(?:\.py|/))`", read(DOCS / "architecture.md"))
    missing = [name for name in named if not any((top / name).exists() for top in (ROOT, ORCH))]
    assert missing == []


# ---------------------------------------------------------------- what must stand somewhere


@pytest.mark.parametrize(
    "path", [*READMES.values(), DOCS / "install.md"], ids=lambda path: path.name
)
def test_the_wheels_name_has_the_present_version(path: Path) -> None:
    assert f"dist/orch_llm-{VERSION}-py3-none-any.whl" in read(path)


def test_every_code_of_a_failed_attempt_is_explained() -> None:
    text = read(DOCS / "routing.md")
    assert [name for name in RUN_CODES if f"| `{name}` |" not in text] == []


def test_every_environment_variable_of_orch_is_explained() -> None:
    sources = "".join(read(path) for path in (ROOT / "orch").rglob("*.py"))
    text = read(DOCS / "configuration.md")
    assert [
        name
        for name in sorted(set(re.findall(r'"(ORCH_[A-Z_]+)"', sources)))
        if f"`{name}`" not in text
    ] == []


@pytest.mark.parametrize(
    ("page", "loaded"),
    [
        ('<script src="https://unpkg.com/x.js"></script>', "https://unpkg.com/x.js"),
        ('<link rel=stylesheet href="//fonts.googleapis.com/css">', "//fonts.googleapis.com/css"),
        ("<style>@import url(https://a.example/b.css)</style>", "https://a.example/b.css"),
        ('<pre class="mermaid">graph</pre>', 'class="mermaid'),
        (
            '<a href="https://github.com/gitleaks/gitleaks">rules</a> <img src="../images/a.png">',
            None,
        ),
    ],
)
def test_the_check_of_the_site_sees_what_a_page_would_load_from_elsewhere(
    tmp_path: Path, page: str, loaded: str | None
) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    assert list(references(tmp_path)) == ([f"index.html: {loaded}"] if loaded else [])
