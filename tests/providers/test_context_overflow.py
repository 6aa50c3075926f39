"""Token counts in context overflow errors of model servers."""

from __future__ import annotations

import json

import pytest

from orch.providers.context_overflow import parse_overflow


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("request (5000 tokens) exceeds the available context size (4096 tokens)", (5000, 4096)),
        (
            "This model's maximum context length is 4,096 tokens. However, you requested 5,100"
            " tokens (5,000 in the messages, 100 in the completion)",
            (5000, 4096),
        ),
        ("inputs must be <= 1024. Given: 1500 `inputs` tokens", (1500, 1024)),
        ("the prompt is too long", (None, None)),
    ],
)
def test_counts_are_read_from_the_message(
    message: str, counts: tuple[int | None, int | None]
) -> None:
    assert parse_overflow(message) == counts


@pytest.mark.parametrize("nested", [False, True])
def test_fields_of_the_error_are_preferred(nested: bool) -> None:
    error = {"message": "request (1 tokens)", "n_prompt_tokens": 9000, "n_ctx": 8192}
    body = {"error": {"error": json.dumps(error)} if nested else error}
    assert parse_overflow("request (1 tokens)", json.dumps(body).encode()) == (9000, 8192)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"error": {"n_ctx": -1}}'])
def test_an_unreadable_body_is_ignored(body: bytes) -> None:
    assert parse_overflow("context size (4096 tokens)", body) == (None, 4096)
