"""Markdown as inert HTML: what is rendered as Markdown, what as code, and what is left out."""

from __future__ import annotations

import pytest

from orch.server.web.components.markdown_html import (
    MAX_MARKDOWN_CHARS,
    HtmlBlock,
    render_blocks,
    sanitize,
)


def html_of(markdown: str) -> str:
    (block,) = render_blocks(markdown)
    return block.html


def test_each_code_block_is_a_block_of_its_own_with_its_language_and_text() -> None:
    before, code, after = render_blocks("before\n\n```python\nx = 1\n```\n\nafter")
    assert (before.html, after.html) == ("<p>before</p>\n", "<p>after</p>\n")
    assert (code.code, code.language, "hl-" in code.html) == ("x = 1", "python", True)


def test_html_of_the_model_is_shown_as_text() -> None:
    assert html_of("<b onclick=x()>hi</b>") == "<p>&lt;b onclick=x()&gt;hi&lt;/b&gt;</p>\n"


@pytest.mark.parametrize(
    ("markdown", "href"),
    [
        ("[a](https://a.example)", 'href="https://a.example"'),
        ("[a](mailto:a@a.example)", 'href="mailto:a@a.example"'),
        ("[a](javascript:alert)", ""),
        ("[a](data:text/html,x)", ""),
    ],
)
def test_links_lead_to_the_web_and_to_mail_only(markdown: str, href: str) -> None:
    html = html_of(markdown)
    assert ("href" in html, href in html) == (bool(href), True)


def test_an_image_is_its_description() -> None:
    assert html_of("![a cat](https://a.example/cat.png)") == "<p><em>[a cat]</em></p>\n"


def test_scripts_and_event_handlers_are_removed() -> None:
    assert sanitize("<p onclick='x()'>a<script>b</script></p>") == "<p>a</p>"


PROSE = "A paragraph of some words.\n\n" * (MAX_MARKDOWN_CHARS // 28 + 100)


def test_prose_beyond_the_limit_is_plain_text() -> None:
    blocks = render_blocks(PROSE + "*end*")
    assert blocks[-1].html.startswith("<pre>")
    assert blocks[-1].html.endswith("*end*</pre>")


@pytest.mark.parametrize(("fence", "inner"), [("```", ""), ("````", "```\n"), ("~~~~", "~~~\n")])
def test_code_does_not_count_towards_the_limit_of_prose(fence: str, inner: str) -> None:
    code = inner + "x = 1\n" * MAX_MARKDOWN_CHARS + inner
    blocks = render_blocks(f"before\n\n{fence}\n{code}{fence}\n\nafter *all*")
    assert [block.html for block in blocks if not block.code] == [
        "<p>before</p>\n",
        "<p>after <em>all</em></p>\n",
    ]
    assert blocks[1].code == code.rstrip("\n")


@pytest.mark.parametrize("opening", ["````", "~~~~"])
def test_prose_after_a_longer_fence_counts_towards_the_limit(opening: str) -> None:
    inner = opening[:3]
    blocks = render_blocks(f"{opening}\n{inner}\n{opening}\n\n{PROSE}*end*")
    assert blocks[0] == HtmlBlock(blocks[0].html, inner)
    assert blocks[-1].html.endswith("*end*</pre>")
