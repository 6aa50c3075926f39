"""Whole answers whose opening marker stood in the prompt, and texts about markers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.providers.streams.thinking_markers import MARKERS, may_lack_opening
from orch.providers.streams.unopened import separate

CLOSES = sorted({close for closes in MARKERS.values() for close in closes})


@pytest.mark.parametrize("close", [*CLOSES, *map(str.upper, CLOSES)])
@pytest.mark.parametrize("pattern", ["They greet.\n{}\n\nHello", "They greet.{}Hello", "{}\nHello"])
def test_a_closing_marker_separates(close: str, pattern: str) -> None:
    text = pattern.format(close)
    assert may_lack_opening(text)
    found = separate(text)
    assert found == ("Hello", text.partition(close)[0], [])


@pytest.mark.parametrize(
    "text",
    [
        "Use `</think>` to end a thought.",
        "The </think> tag ends a thought.",
        'answer = text.split("</think>")[-1]',
        "answer = text.split('</think>')[-1]",
        "The markers are <think> and\n</think>\nand nothing else.",
        "<result><reasoning>a</reasoning>b</result>",
        "<result><reasoning lang='en'>a</reasoning>b</result>",
        "The tag is </think>",
        "- </think> ends it\n- more",
        "1. </think> ends it",
        "It ends with (</think>).",
        "```html\n<b>a</b>\n</think>\nx\n```\nThat is all.",
        '{"closes": "a </think> b"}',
        "No marker at all.",
    ],
)
def test_texts_about_markers_stay_as_they_are(text: str) -> None:
    assert separate(text) is None


def test_a_thought_alone_is_one_where_the_server_sent_tool_calls() -> None:
    assert separate("I look it up.</think>") is None
    assert separate("I look it up.</think>", has_calls=True) == ("", "I look it up.", [])
    assert separate("I look it up.\n</think>\n") == ("", "I look it up.\n", [])


def test_a_marker_in_the_thought_that_is_only_mentioned_is_passed_over() -> None:
    found = separate("They ask about `</think>`.\n</think>\n\nIt ends a thought.")
    assert found is not None
    assert found.content == "It ends a thought."


@settings(deadline=None)
@given(st.text(alphabet="ab \n`\"'<>/", max_size=30), st.text(alphabet="ab \n`", max_size=30))
def test_nothing_but_the_marker_and_blanks_is_lost(before: str, after: str) -> None:
    text = f"{before}</think>{after}"
    if found := separate(text):
        rest = text.removeprefix(f"{found.thinking}</think>")
        assert rest.lstrip() == found.content
