"""Thinking that a server leaves in the text: every marker of the table, split anywhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orch.providers.streams import thinking_markers
from orch.providers.streams.thinking_markers import MARKERS, WRAPPERS, ThinkingSplitter
from tests.support.untimed import untimed

CUTS = st.lists(st.integers(0, 400), max_size=12)
OPENS = list(MARKERS)
CLOSES = sorted({close for closes in MARKERS.values() for close in closes})
TOKENS = [*OPENS, *CLOSES, *WRAPPERS, *WRAPPERS.values(), *thinking_markers.HARMONY_HEADS]
SPEECH = st.lists(
    st.sampled_from([*TOKENS, "<", "[", "◁", "</", "thi", "nk>", " ", "\n", "a", "İ", "ñ", ""]),
    max_size=12,
).map("".join)
WORDS = st.text(alphabet="abc .\n<>[]|/", max_size=20)


def split(text: str, cuts: Sequence[int]) -> list[str]:
    """The text in pieces, some of them empty."""
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def separated(pieces: Sequence[str]) -> tuple[str, str]:
    """(content, thinking) of a whole answer that came in pieces."""
    splitter = ThinkingSplitter()
    parts = [*(splitter.feed(piece) for piece in pieces), splitter.flush()]
    return "".join(content for content, _ in parts), "".join(thought for _, thought in parts)


def starts_with_marker(text: str) -> bool:
    """Whether the splitter has a reason to act."""
    head = text.lstrip()
    heads = (*OPENS, *WRAPPERS, *(f"{close}\n" for close in CLOSES))
    return head.lower().startswith(heads) or head.startswith(thinking_markers.HARMONY_HEADS)


@untimed
@given(SPEECH, CUTS)
@example("<think>a</think>b", list(range(20)))
@example("<|channel>thought\nplan<channel|>b", list(range(40)))
def test_the_parts_do_not_depend_on_how_the_text_was_split(text: str, cuts: list[int]) -> None:
    assert separated(split(text, cuts)) == separated([text])


@untimed
@given(st.sampled_from(OPENS), st.sampled_from(["", " ", "\n"]), SPEECH, CUTS)
@example("<think>", "", f"<think>{'b' * 80}</think> is", [90, 95, 105, 106])
def test_what_follows_a_thought_does_not_depend_on_how_it_was_split(
    marker: str, blank: str, speech: str, cuts: list[int]
) -> None:
    text = f"{marker}{blank}t{MARKERS[marker][0]}\n{speech}"
    assert separated(split(text, cuts)) == separated([text])


MENTIONS = st.tuples(
    st.sampled_from([*OPENS, *CLOSES]),
    st.sampled_from(
        [" is a tag.", ", a tag", ": a tag", " 是标签", "` ends it", " – an end", "). a"]
    ),
).map("".join)


@untimed
@given(st.sampled_from(OPENS), st.sampled_from(["\n\n", " ", ""]), MENTIONS, CUTS)
def test_a_sentence_about_a_marker_behind_a_thought_is_unchanged(
    marker: str, gap: str, mention: str, cuts: list[int]
) -> None:
    for close in MARKERS[marker]:
        assert separated(split(f"{marker}t{close}{gap}{mention}", cuts)) == (mention, "t")


@untimed
@given(
    st.sampled_from(OPENS),
    st.sampled_from(["", "\n", " "]),
    WORDS.map(lambda text: f"t{text}"),
    st.sampled_from(["", "\n", "\n\n"]),
    CUTS,
)
def test_a_second_thought_written_like_the_first_is_one(
    marker: str, blank: str, thought: str, gap: str, cuts: list[int]
) -> None:
    for close in MARKERS[marker]:
        one = f"{marker}{blank}{thought}{close}{gap}"
        parts = separated(split(f"{one}{one}Yes", cuts))
        shown = "" if f"{marker}{blank}" in MARKERS else blank  # Gemma's has a line end
        assert parts == ("Yes", f"{shown}{thought}" * 2)


@untimed
@given(st.one_of(SPEECH, st.text()).filter(lambda text: not starts_with_marker(text)), CUTS)
def test_a_text_without_a_marker_at_its_start_is_unchanged(text: str, cuts: list[int]) -> None:
    assert separated(split(text, cuts)) == (text, "")


@untimed
@given(
    st.sampled_from(OPENS), WORDS, WORDS, st.booleans(), st.sampled_from(["", "\n\n", " "]), CUTS
)
def test_a_thought_ends_at_its_marker_in_any_case_and_nothing_is_lost(
    marker: str, thought: str, answer: str, upper: bool, blanks: str, cuts: list[int]
) -> None:
    for close in MARKERS[marker]:
        opening, closing = (each.upper() if upper else each for each in (marker, close))
        if upper and "\n" in opening:
            continue  # the channel's name is text of the model, in lower case
        text = f"{blanks}{opening}t{thought}{closing}{blanks}!{answer}"
        assert separated(split(text, cuts)) == (f"!{answer}", f"t{thought}")


@untimed
@given(st.sampled_from(OPENS), WORDS, CUTS)
def test_a_thought_that_never_ends_is_all_thought(
    marker: str, thought: str, cuts: list[int]
) -> None:
    assert separated(split(f"{marker}t{thought}", cuts)) == ("", f"t{thought}")


@pytest.mark.parametrize(
    "text",
    [
        "`<think>` opens a thought, `</think>` closes it.",
        "Reasoning models write <think>…</think> first.",
        "```\n<think>\n```",
        '"[THINK]" is Magistral\'s marker',
        "<thinker>a</thinker>",
        "<p>Hello</p>",
        "[1] a footnote",
        "to=you, with love",
        "assistant professor",
        "<|channel|> is a token of gpt-oss.",
        "<|start|>\n<|message|> are two more.",
    ],
)
def test_texts_about_markers_stay_as_they_are(text: str) -> None:
    for size in (1, 3, len(text)):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert separated(pieces) == (text, "")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>a</think>\n<think>b</think>\nyes", ("yes", "ab")),
        ("<think>a</think>\n\n</think>\n\nyes", ("yes", "a")),
        ("<think>\n\n</think>\n\nyes", ("yes", "\n\n")),
        ("</think>\n\nyes", ("yes", "")),
        ("\n[/THINK]\n<think>a</think>yes", ("yes", "a")),
        ("</think> closes a thought", ("</think> closes a thought", "")),
        ("<think>a</think><th", ("<th", "a")),
        ("<think>a</thin", ("", "a</thin")),
        ("<|START_RESPONSE|>yes<|END_RESPONSE|>", ("yes", "")),
        (
            "<|START_THINKING|>a<|END_THINKING|><|START_TEXT|>  x\n<|END_TEXT|>",
            ("  x\n", "a"),
        ),
        (
            "<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>b",
            ("b", "a"),
        ),
        ("<think>a</think><answer>b</answer>", ("<answer>b</answer>", "a")),
        ("<think>a</think></think>yes", ("yes", "a")),
        # tags that the prompt asked for, and pairs that a sentence speaks of
        (
            "<think>a</think>\n<reasoning>b</reasoning>\nyes",
            ("<reasoning>b</reasoning>\nyes", "a"),
        ),
        ("<think>a</think>\n<think></think> is empty", ("<think></think> is empty", "a")),
        ("<think> a</think>\n<think> and </think> are", ("<think> and </think> are", " a")),
        ("<think>a</think>\n<think>…</think> is a pair", ("<think>…</think> is a pair", "a")),
        ("<think> a</think>\n<think> okay</think>yes", ("yes", " a okay")),
    ],
)
def test_what_follows_a_thought(text: str, parts: tuple[str, str]) -> None:
    assert separated([text]) == separated(list(text)) == parts


def test_markers_are_not_looked_for_where_the_server_separates_thinking() -> None:
    splitter = ThinkingSplitter()
    assert splitter.feed(" <thi") == ("", "")
    assert splitter.skip() == " <thi"
    assert splitter.feed("nk> is a tag</think>") == ("nk> is a tag</think>", "")
    assert splitter.skip() == ""


def test_markers_without_number_are_text_in_the_end() -> None:
    content, thought = separated(["<think></think>" * 100_000])
    assert content.startswith("<think>") or content.startswith("</think>")
    assert thought == ""


def test_the_parser_of_harmony_is_imported_when_its_first_token_is_seen() -> None:
    code = (
        "import sys; from orch.providers.streams.thinking_markers import ThinkingSplitter as S;"
        "s = S(); s.feed('<think>a</think>b'); S().feed('assistants'); S().feed('Hello');"
        "names = ('orch.providers.streams.harmony', 'orch.providers.streams.unopened');"
        "assert not any(name in sys.modules for name in names);"
        "S().feed('<|channel|>'); assert names[0] in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
