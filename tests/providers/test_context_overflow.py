"""Token counts in context overflow errors of model servers."""

from __future__ import annotations

import json

import pytest

from orch.providers.context_overflow import is_overflow, parse_overflow


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("request (5000 tokens) exceeds the available context size (4096 tokens)", (5000, 4096)),
        (
            "This model's maximum context length is 4,096 tokens. However, you requested 5,100"
            " tokens (5,000 in the messages, 100 in the completion)",
            (5000, 4096),
        ),
        ("`inputs` tokens must be <= 1024. Given: 1500 `inputs` tokens", (1500, 1024)),
        ("the prompt is too long", (None, None)),
        (
            "This model's maximum context length is 512 tokens, however you requested 616 tokens"
            " (300 in your prompt; 316 for the completion). Please reduce your prompt.",
            (300, 512),
        ),
        (
            "This endpoint's maximum context length is 16384 tokens. However, you requested about"
            " 20000 tokens (10000 of text input, 10000 in the output).",
            (10000, 16384),
        ),
        (
            "Requested token count exceeds the model's maximum context length of 8192 tokens. You"
            " requested a total of 9000 tokens: 7000 tokens from the input messages and 2000"
            " tokens for the completion.",
            (7000, 8192),
        ),
        (
            "You passed 9000 input tokens and requested 16 output tokens. However, the model's"
            " context length is only 8192 tokens, resulting in a maximum input length of 8176.",
            (9000, 8192),
        ),
        (
            "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
            (9000, 8192),
        ),
        (
            "The prompt (total length 12000) is too long to fit into the model (context length"
            " 8192).",
            (12000, 8192),
        ),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed"
            " (1048576).",
            (1200000, 1048576),
        ),
        ("prompt is too long: 210000 tokens > 200000 maximum", (210000, 200000)),
        (
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            (9000, 8192),
        ),
        (
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768"
            " maximum context length",
            (40000, 32768),
        ),
    ],
)
def test_counts_are_read_from_the_message(
    message: str, counts: tuple[int | None, int | None]
) -> None:
    assert parse_overflow(message) == counts
    assert is_overflow(message.lower())


@pytest.mark.parametrize("nested", [False, True])
def test_fields_of_the_error_are_preferred(nested: bool) -> None:
    error = {"message": "request (1 tokens)", "n_prompt_tokens": 9000, "n_ctx": 8192}
    body = {"error": {"error": json.dumps(error)} if nested else error}
    assert parse_overflow("request (1 tokens)", json.dumps(body).encode()) == (9000, 8192)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"error": {"n_ctx": -1}}', b'{"n_ctx": true}']
)
def test_an_unreadable_body_is_ignored(body: bytes) -> None:
    assert parse_overflow("context size (4096 tokens)", body) == (None, 4096)
