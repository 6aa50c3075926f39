"""The harmony format of gpt-oss, left in the text: channels, calls, cut and odd messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.providers.streams.harmony import MAX_HEADER_CHARS, HarmonyParser, split_without_head
from tests.support.untimed import untimed

CUTS = st.lists(st.integers(0, 600), max_size=12)
TEXTS = st.text(alphabet='ab <>|/{}"\n', min_size=1, max_size=15).map(lambda text: f"t{text}e")
TOKENS = [
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|constrain|>",
    "assistant",
    "analysis",
    "final",
    "commentary to=functions.f",
]
SPEECH = st.lists(st.sampled_from([*TOKENS, "<|", "|>", " ", "\n", "a", "{}"]), max_size=14).map(
    "".join
)


class Parsed(NamedTuple):
    """A whole answer."""

    content: str
    thinking: str
    calls: list[tuple[str, Any]]


def parse(pieces: Sequence[str]) -> Parsed:
    """An answer that came in pieces."""
    parser = HarmonyParser()
    parts = [*(parser.feed(piece) for piece in pieces), parser.flush()]
    calls = [call["function"] for call in parser.tool_calls]
    return Parsed(
        "".join(content for content, _ in parts),
        "".join(thought for _, thought in parts),
        [(call["name"], call["arguments"]) for call in calls],
    )


def split(text: str, cuts: Sequence[int]) -> list[str]:
    """The text in pieces, some of them empty."""
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def message(channel: str, text: str, end: str = "<|end|>") -> str:
    """A message of the assistant."""
    return f"<|start|>assistant<|channel|>{channel}<|message|>{text}{end}"


@untimed
@given(SPEECH, CUTS)
def test_the_parts_do_not_depend_on_how_the_text_was_split(text: str, cuts: list[int]) -> None:
    assert parse(split(text, cuts)) == parse([text])


@untimed
@given(st.text().filter(lambda text: "<|message|>" not in text), CUTS)
def test_a_text_that_is_no_harmony_is_unchanged(text: str, cuts: list[int]) -> None:
    assert parse(split(text, cuts)) == (text, "", [])


@untimed
@given(
    st.lists(st.tuples(st.sampled_from(["analysis", "final", "commentary"]), TEXTS), max_size=5),
    CUTS,
)
def test_each_message_goes_to_its_place_whole(
    messages: list[tuple[str, str]], cuts: list[int]
) -> None:
    text = "".join(message(*each) for each in messages)
    thoughts = [said for channel, said in messages if channel == "analysis"]
    shown = [said for channel, said in messages if channel != "analysis"]
    assert parse(split(text, cuts)) == ("\n\n".join(shown), "\n\n".join(thoughts), [])


CALL = '{"place": "Ávila"}'


@pytest.mark.parametrize(
    "text",
    [
        "<|start|>assistant<|channel|>commentary to=functions.rain <|constrain|>json<|message|>"
        f"{CALL}<|call|>",
        f"<|channel|>commentary to=functions.rain<|constrain|>json<|message|>{CALL}",
        f"<|start|>assistant to=functions.rain<|channel|>commentary json<|message|>{CALL}<|call|>",
        f" to=functions.rain<|channel|>commentary <|constrain|>json<|message|>{CALL}<|end|>",
        f"assistant to=functions.rain<|channel|>analysis<|message|>{CALL}<|call|>",
        "<|channel|>analysis to=functions.rain<|channel|>commentary<|constrain|>json<|message|>"
        f"{CALL}",
        f"<|channel|>commentary to=rain<|message|>{CALL}<|return|>",
    ],
)
def test_a_message_with_a_recipient_is_a_tool_call(text: str) -> None:
    assert parse([text]) == parse(list(text)) == ("", "", [("rain", CALL)])


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        # two calls, the ends left out, without arguments
        (
            message("analysis", "both", "")
            + message("commentary to=functions.a", "{}", "")
            + message("commentary to=functions.b", "", "<|call|>"),
            ("", "both", [("a", "{}"), ("b", "{}")]),
        ),
        # cut: in the arguments, in a head, in a marker
        (message("commentary to=functions.a", '{"x": ', ""), ("", "", [("a", '{"x":')])),
        (message("analysis", "hm") + "<|start|>assistant<|chan", ("", "hm", [])),
        (message("final", "so", "") + "<|ret", ("so<|ret", "", [])),
        ("<|channel|>analysis", ("<|channel|>analysis", "", [])),
        # code for a tool of gpt-oss's training; a result and a turn that the model makes up
        (message("analysis to=python code", "print(1)", "<|call|>"), ("", "print(1)", [])),
        ("<|start|>functions.a to=assistant<|message|>{}<|end|>", ("", "{}", [])),
        ("<|start|>user<|message|>and?<|end|>" + message("final", "x"), ("x", "and?", [])),
        # without a channel, to oneself and to the user, without a head
        ("<|start|>assistant<|message|>Hi!<|end|>", ("Hi!", "", [])),
        (
            "<|start|>assistant to=self<|message|>hm<|eom|>"
            "<|start|>assistant to=user<|message|>yes<|eot|>",
            ("yes", "hm", []),
        ),
        (message("analysis", "hm") + "\nyes", ("yes", "hm", [])),
        # tokens as words
        (message("final", "the <|end|> token, <|channel|>, <|start|>user", "<|return|>"),
         ("the <|end|> token, <|channel|>, <|start|>user", "", [])),
        (message("analysis", "they ask of <|channel|> and <|start|>.") + message("final", "y"),
         ("y", "they ask of <|channel|> and <|start|>.", [])),
    ],
)  # fmt: skip
def test_odd_answers(text: str, parsed: tuple[str, str, list[Any]]) -> None:
    assert parse([text]) == parse(list(text)) == parsed


def test_a_head_is_bounded() -> None:
    text = "<|channel|>" + "a" * MAX_HEADER_CHARS + "<|message|>x"
    assert parse(list(text)) == (text, "", [])


def test_many_messages_take_linear_work() -> None:
    """Each message is parsed in its place: copying the rest each time would move 100 GB."""
    parsed = parse([message("final", "ab") * 60_000])
    assert len(parsed.content) == 60_000 * 4 - 2


def test_arguments_are_handed_on_as_text() -> None:
    ((_, arguments),) = parse([message("commentary to=functions.a", ' {"n": 1.0} ', "")]).calls
    assert json.loads(arguments) == {"n": 1.0}


# ---------------------------------------------------------------- without a head


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "They greet.<|end|><|start|>assistant<|channel|>final<|message|>Hello",
            ("Hello", "They greet.", []),
        ),
        ("analysisThey greet.assistantfinalHello", ("Hello", "They greet.", [])),
        ("assistantfinal[1]", ("[1]", "", [])),
        ("analysis We greet.assistantfinalHi", ("Hi", " We greet.", [])),
        (
            "analysisThey ask of assistantfinal, the word.assistantfinalIt ends a thought.",
            ("It ends a thought.", "They ask of assistantfinal, the word.", []),
        ),
        ('analysis"Hi" they say.assistantfinal"Hi"', ('"Hi"', '"Hi" they say.', [])),
        (
            'analysisNeed rain.assistantcommentary to=functions.rain json{"a": 1}',
            ("", "Need rain.", ["rain"]),
        ),
        ('commentary to=functions.rain json{"a": 1}', ("", "", ["rain"])),
    ],
)
def test_answers_whose_head_was_in_the_prompt_or_dropped(
    text: str, parts: tuple[str, str, list[str]]
) -> None:
    found = split_without_head(text)
    assert found is not None
    content, thinking, calls = found
    assert (content, thinking, [call["function"]["name"] for call in calls]) == parts


@pytest.mark.parametrize(
    "text",
    [
        "analysis of the data",
        "analysis of the word assistantfinal: two words.",
        "analysis: what assistantfinalYes says",
        "analysisThe word `assistantfinal` alone",
        "assistantfinal is a word of gpt-oss",
        'analysis of "assistantfinal"',
        'analysis of the assistant to=functions.a {"b": 1}',
        "The assistantfinal form",
        "use to=functions.a {}",
        "Hello",
    ],
)
def test_other_answers_are_none(text: str) -> None:
    assert split_without_head(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|> precedes the name, and <|message|> begins the text of a message.",
        "<|start|> opens a message, <|message|> its text and <|end|> ends it.",
        "<|message|> begins the text of a message.",
        "<|message|>, <|end|> and others are tokens",
        "<|channel|> and <|message|> stand in each head.",
        "<|start|>, then <|message|>: that is the order",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1_000])
def test_a_sentence_about_the_tokens_is_content(text: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert parse(pieces) == Parsed(text, "", [])


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("<|message|>Hello", "Hello"),
        ("<|message|> Hello", " Hello"),
        ("<|start|>assistant<|message|> so be it", " so be it"),
        ("<|channel|>final<|message|>, and so on", ", and so on"),
        ("<|message|>", ""),
        (message("final", "Send <|end|> <|message|> at last"), "Send <|end|> <|message|> at last"),
    ],
)
def test_a_head_that_is_no_sentence_is_one(text: str, content: str) -> None:
    assert parse([text]) == parse(list(text)) == Parsed(content, "", [])


MARKED = st.lists(
    st.sampled_from([*TOKENS, message("final", "x"), '"', "\\", "{", "a\n"]), max_size=8
).map("".join)


@untimed
@given(MARKED, st.booleans(), CUTS)
def test_markers_in_the_strings_of_a_call_are_text(
    value: str, has_end: bool, cuts: list[int]
) -> None:
    arguments = json.dumps({"text": value, "more": [value]})
    text = message("analysis", "hm")
    text += message("commentary to=functions.write", arguments, "<|call|>" if has_end else "")
    text += message("final", "Done")
    assert parse(split(text, cuts)) == Parsed("Done", "hm", [("write", arguments)])


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_call_whose_string_never_closes_swallows_no_message(size: int) -> None:
    text = message("commentary to=functions.f", '{"a": "b', "<|call|>") + message("final", "Yes")
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert parse(pieces) == Parsed("Yes", "", [("f", '{"a": "b')])


@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_a_blank_before_the_text_of_a_message_does_not_make_its_head_a_sentence(size: int) -> None:
    text = "<|channel|>final <|constrain|>json <|message|>{}"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert parse(pieces) == Parsed("{}", "", [])


def test_two_ends_in_a_row_within_a_text_both_remain() -> None:
    text = "<|channel|>final<|message|>Send <|end|><|return|> at last."
    assert parse([text]).content == "Send <|end|><|return|> at last."


JOIN = "<|end|><|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    "text",
    [
        f"Messages are joined by `{JOIN}`.",
        f'Messages are joined by "{JOIN}".',
        f'{{"note": "joined by {JOIN}"}}',
        f'[{{"note": "joined by {JOIN}',
        f'```json\n["{JOIN}"]\n```',
        "The tokens <|end|><|start|>assistant, in this order.",
    ],
)
def test_a_join_that_is_quoted_tears_nothing(text: str) -> None:
    assert split_without_head(text) is None


def test_a_thought_that_ends_in_a_quotation_is_one() -> None:
    assert split_without_head(f'Say "Hi"{JOIN}Hi') == ("Hi", 'Say "Hi"', [])
