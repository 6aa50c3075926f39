"""The token estimate: close to real vocabularies, and fast for any length of text."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch import Orchestrator
from orch.text.prompt import MOST_READ, Task, estimate_need, estimate_text_tokens

CHANCE = random.Random
PROSE = (
    "The ferry leaves the island at seven in the morning, and whoever misses it has to wait until"
    " the evening. "
)
PROSA = (
    "El transbordador sale de la isla a las siete de la mañana, y quien lo pierde tiene que esperar"
    " hasta la tarde. "
)
CODE = (
    "def total(rows: list[Row]) -> float:\n    return sum(row.price * row.amount for row in rows if"
    " row.is_open)\n\n\n"
)


def numbers() -> str:
    """A table of numbers."""
    chance = CHANCE(1)
    rows = (
        (row, chance.uniform(1, 9999), chance.randrange(500), chance.uniform(1, 99999))
        for row in range(100)
    )
    return "\n".join(f"{row},{a:.2f},{b},{c:.2f}" for row, a, b, c in rows)


def objects() -> str:
    """Compact JSON."""
    chance = CHANCE(2)
    return json.dumps(
        [
            {
                "id": row,
                "user": f"user{chance.randrange(999)}",
                "open": True,
                "price": chance.randrange(9999),
            }
            for row in range(60)
        ]
    )


def identifiers() -> str:
    """UUIDs, one a line."""
    chance = CHANCE(3)
    return "\n".join(str(uuid.UUID(bytes=chance.randbytes(16))) for _ in range(50))


# what Llama 3, Qwen 2, Mistral's Tekken, DeepSeek V3, gpt-oss and SmolLM2 count, the least and the
# most (2026-11-29)
COUNTED: list[tuple[str, Callable[[], str], int, int]] = [
    ("prose", lambda: PROSE * 20, 441, 441),
    ("prosa", lambda: PROSA * 20, 521, 801),
    ("code", lambda: CODE * 20, 560, 719),
    ("numbers", numbers, 1_382, 2_344),
    ("json", objects, 1_497, 1_785),
    ("uuids", identifiers, 1_162, 1_701),
    ("hex", lambda: CHANCE(4).randbytes(800).hex(), 891, 1_428),
    ("base64", lambda: base64.b64encode(CHANCE(5).randbytes(1_000)).decode(), 916, 1_089),
    (
        "japanese",
        lambda: "明日の朝七時に船が島を出ます。乗り遅れた人は夕方まで待たなければなりません。" * 10,
        250,
        690,
    ),
    ("chinese", lambda: "渡轮早上七点离开小岛，错过的人必须等到晚上。" * 10, 150, 410),
    (
        "russian",
        lambda: (
            "Паром уходит с острова в семь утра, и кто опоздает, тому придётся ждать до вечера. "
            * 10
        ),
        251,
        611,
    ),
    (
        "arabic",
        lambda: "تغادر العبارة الجزيرة في السابعة صباحا، ومن يفوته الموعد ينتظر حتى المساء. " * 10,
        202,
        710,
    ),
    ("emoji", lambda: "😀🚀🎉🔥👍✅" * 40, 240, 920),
]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [(make(), least, most) for _, make, least, most in COUNTED],
    ids=[name for name, *_ in COUNTED],
)
def test_an_estimate_is_near_to_what_real_vocabularies_count(
    text: str, least: int, most: int
) -> None:
    assert 0.85 * least <= estimate_text_tokens(text) <= 1.15 * most


def test_the_parts_of_an_estimate_are_its_whole() -> None:
    messages = [{"role": "user", "content": "¿Qué es? 12 abc\n  x {}" * 9}]
    need = estimate_need(Task(text=""), messages)
    assert sum(need.token_parts) == pytest.approx(need.prompt_tokens, abs=1)
    assert all(part > 0 for part in need.token_parts)


def test_calls_and_tools_are_part_of_the_prompt() -> None:
    arguments = {"path": "a.txt", "content": "word " * 100}
    call = {"id": "c1", "function": {"name": "write", "arguments": arguments}}
    messages = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    assert estimate_need(Task(text=""), messages).prompt_tokens > 100
    tools = [{"type": "function", "function": {"name": "word " * 100}}]
    assert estimate_need(Task(text="", tools=tools), []).prompt_tokens > 100


def test_a_table_of_numbers_has_about_a_token_a_digit() -> None:
    # 18 KB of numbers are 18,369 tokens for SmolLM2, where characters / 3.6 gave 5,122
    text = numbers()
    assert 0.9 * len(text) <= estimate_text_tokens(text) <= 1.1 * len(text)


@given(st.text(max_size=300), st.text(max_size=300))
def test_more_text_is_never_estimated_at_much_less(text: str, more: str) -> None:
    assert estimate_text_tokens(text) >= 0
    assert estimate_text_tokens(text + more) >= estimate_text_tokens(text) - 3


@given(st.characters(), st.integers(1, 50))
def test_no_character_is_free_and_none_takes_more_tokens_than_bytes(
    character: str, times: int
) -> None:
    tokens, size = (
        estimate_text_tokens(character * times),
        len(character.encode("utf-8", "replace")) * times,
    )
    assert tokens <= 2 * size + 3
    assert tokens >= 1 or character.isspace() or not character.isprintable()


def test_a_text_beyond_any_context_is_read_in_pieces_all_over_it() -> None:
    half = MOST_READ * 2
    text = ("word " * half)[:half] + ("12345," * half)[:half]
    exact = (
        estimate_text_tokens("word " * 10_000) * half / 50_000
        + estimate_text_tokens("12345," * 10_000) * half / 60_000
    )
    assert estimate_text_tokens(text) == pytest.approx(exact, rel=0.05)


@pytest.mark.real
# without Spanish, of which this small vocabulary has few words
@pytest.mark.parametrize(
    "text",
    [PROSE * 6, CODE * 6, numbers()[:600], objects()[:600]],
    ids=["prose", "code", "numbers", "json"],
)
async def test_the_real_embedded_model_counts_about_what_was_estimated(text: str) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(text, options={"max_tokens": 1})
    assert result.response.usage.prompt_tokens == pytest.approx(
        result.decision.prompt_tokens, rel=0.35
    )
