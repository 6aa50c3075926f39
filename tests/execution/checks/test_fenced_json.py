"""JSON in a code fence: taken out where it meets the schema, named where it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.execution.checks.fenced_json import MAX_BLOCKS, choose_json, fenced_blocks
from orch.execution.checks.json_schema import AnswerSchema

SCHEMA = AnswerSchema({"type": "object", "required": ["name"]})
WHOLE = '{"name": "Ada", "note": "```json\\n1\\n```"}'


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{WHOLE}\n```",
        f"```\n{WHOLE}\n```",
        f"Here it is:\n\n```JSON\n{WHOLE}\n```\n\nAnything else?",
        f"~~~ json\r\n{WHOLE}\r\n~~~\r\n",
        f"````json\n{WHOLE}\n````",
        f"```json {WHOLE} ```",
        f"```{WHOLE}```",
        f"1. Like this:\n   ```json\n   {WHOLE}\n   ```",
        f"```json\n{WHOLE}\n",
        f"```python\nprint(1)\n```\nprints:\n```json\n{WHOLE}\n```",
        f"```python\nprint('```')\n```\nprints:\n```json\n{WHOLE}\n```",
        f"```sh ls``` prints:\n```json\n{WHOLE}\n```",
        f"```json\n{{}}\n```\nis too little:\n```json\n{WHOLE}\n```",
        f"```json\n{WHOLE}\n```\nagain:\n```json\n{WHOLE}\n```",
    ],
)
async def test_json_is_taken_out_as_the_model_wrote_it(text: str) -> None:
    assert await choose_json(fenced_blocks(text), SCHEMA) == WHOLE


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("```json\n{name: 'Ada'}\n```", "invalid_json", "what is in the fence is not valid JSON"),
        ('```json\n{"name": \n```', "invalid_json", "what is in the fence is not valid JSON"),
        (
            '```json\n{"age": 3}\n```',
            "schema_mismatch",
            "breaks the schema: $: 'name' is a required",
        ),
        (
            '```json\n{"name": 1}\n```\n```json\n{"name": 2}\n```',
            "invalid_json",
            "2 fences hold JSON that fits, but differ",
        ),
    ],
)
async def test_a_failure_names_the_fence(text: str, code: str, words: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await choose_json(fenced_blocks(text), SCHEMA)
    assert caught.value.code == code
    assert caught.value.message.startswith("the answer wraps its JSON in a code fence, and ")
    assert words in caught.value.message


@pytest.mark.parametrize("text", ["no fence", "```python\n[1]\n```", "a `b` c", ""])
def test_other_texts_have_no_block(text: str) -> None:
    assert fenced_blocks(text) == []


def test_blocks_are_bounded() -> None:
    assert len(fenced_blocks("```json\n{}\n```\n" * 1_000)) == MAX_BLOCKS
    assert len(fenced_blocks("```json" + "[" * 100_000)) == 1


@settings(deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.text(alphabet="ab \n.", max_size=20),
)
def test_any_json_is_found_again_between_words(value: Any, words: str) -> None:
    text = json.dumps(value, indent=1)
    (block,) = fenced_blocks(f"{words}```json\n{text}\n```{words}")
    assert (block.text, block.value) == (text, value)
