"""Text in a stream: what may become a call is held, everything else flows at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.execution.tool_calls.holding import MAX_HELD_CHARS, TextHold, _Held, has_signs
from orch.execution.tool_calls.text_forms import written_calls
from tests.execution.tool_calls.tools import FORMS, NAMES, OSLO


def split(text: str, size: int) -> tuple[str, str]:
    """What is shown while it comes in pieces, and what is held at its end."""
    hold = TextHold(NAMES)
    shown = "".join(hold.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert shown + hold.pending == text
    return shown, hold.flush()


@pytest.mark.parametrize("size", [1, 2, 5, 1_000])
@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_no_part_of_a_call_is_shown(text: str, size: int) -> None:
    assert split(text, size) == ("", text)
    if not text.startswith(">>>"):
        shown, held = split(f"I look.\n{text}\n", size)
        assert shown.rstrip() == "I look."
        assert held.strip() == text


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    "text",
    [
        "A mutex is a lock, 3 < 5 and [a](b) {c} `d`.",
        "```python\nx = {\n    'a': 1,\n}\n```\nThat was it.",
        '```json\n{"a": 1}\n```\nThat was it.',
        '{"name": "Oslo", "size": 3}\n',
        "[1, 2, 3]",
        "[x] done\n[ ] to do\n",
        "{{template}}\n",
        "<table>\n<tr>",
        "<tool_box>\n",
        f"<tool_call>{OSLO}</tool_call>\nis a call.",
        f"{OSLO}\nis a call.",
        f"```json\n{OSLO}\n```\nis a call.",
    ],
)
def test_all_else_is_shown_before_the_end(text: str, size: int) -> None:
    assert split(text, size) == (text, "")


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    "begin",
    [
        '{"type": "object", "properties": {"a":',
        '{"id": 5, "title": "x",',
        '[{"id": "a-1", "type": "note", "text": "x"},',
        '{"id": null, "name": "Oslo",',
        '{"type": ["string"]',
        '{"id": "7"}',
        '```json\n{"type": "text", "value":',
    ],
)
def test_an_answer_with_a_type_or_an_id_flows(begin: str, size: int) -> None:
    shown, _ = split(f"{begin} ...", size)
    assert shown.startswith(begin)


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    "passed", ['"type": "function"', '"id": 5', "'id': 'a, b', 'type': 'x'", '"call_id": null']
)
def test_a_call_behind_its_type_or_id_is_held(passed: str, size: int) -> None:
    text = OSLO.replace("{", f"{{{passed}, ", 1)
    assert split(text, size) == ("", text)


def test_a_text_flows_at_once() -> None:
    hold = TextHold(NAMES)
    for piece in ("Hello", " ", "world", "\n\n", "- a < b", " [c]"):
        assert hold.feed(piece) == piece


def test_what_is_held_is_bounded() -> None:
    hold = TextHold(NAMES)
    assert hold.feed("<tool_call>") == ""
    shown = [hold.feed("x" * 1_000) for _ in range(MAX_HELD_CHARS // 1_000 + 1)]
    assert shown[0] == ""
    assert len("".join(shown)) == len("<tool_call>") + 1_000 * len(shown)
    assert hold.feed("<tool_call>") == "<tool_call>"


def test_little_of_a_text_is_looked_at_more_than_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    takes = _Held.takes

    def counting(held: _Held, text: str) -> bool:
        nonlocal looked
        looked += len(text)
        return takes(held, text)

    monkeypatch.setattr(_Held, "takes", counting)
    for line in (
        '{"name": "get_forecast"}\n',
        '{"other": 1}\n',
        "```\n{\n",
        "<tool_call></tool_call>x\n",
    ):
        text = line * 3_000
        hold = TextHold(NAMES)
        assert hold.feed(text) + hold.feed("words") + hold.flush() == f"{text}words"
    assert looked < 100 * 4 * 3_000 * 25


@given(
    st.lists(
        st.sampled_from(
            [
                "<tool_call>",
                "</tool_call>",
                OSLO,
                "```",
                "json",
                "\n",
                "{",
                "}",
                "[",
                "]",
                '"',
                "a ",
                ">>>",
                "<",
                "`",
                '"name": ',
                "get_forecast",
                "[TOOL_CALLS]",
                "<function=",
                "tool_code",
            ]
        ),
        max_size=12,
    ),
    st.integers(1, 9),
)
def test_nothing_is_lost_and_no_recognised_call_is_shown(parts: list[str], size: int) -> None:
    text = "".join(parts)
    shown, held = split(text, size)
    assert shown + held == text
    found = written_calls(text, NAMES)
    if found and found.marked and not text.rstrip().endswith("`"):
        assert shown.rstrip().startswith(found.before) or found.before.startswith(shown.rstrip())


def test_signs_are_the_characters_with_which_calls_begin() -> None:
    assert all(has_signs(text) for text in FORMS.values())
    assert not has_signs("plain text")


@pytest.mark.parametrize("fence", ["```xml\n", "```\n"])
def test_xml_in_a_fence_flows(fence: str) -> None:
    hold = TextHold(NAMES)
    assert hold.feed(f"{fence}<project>\n  <name>a") == f"{fence}<project>\n  <name>a"
    assert TextHold(NAMES).feed(f"{fence}<tool_c") == ""


@pytest.mark.parametrize("text", ["<" * 400_000, "a{" * 200_000])
def test_many_signs_at_once_take_no_long_time(text: str) -> None:
    shown, held = split(text, len(text))
    assert shown + held == text
