"""What a model can do, by the fields of each kind of list."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.model_lists.abilities import MODIFIERS, parse_abilities

ALL = MODIFIERS
CHAT = ("completion",)


@pytest.mark.parametrize(
    ("entry", "capabilities", "untold"),
    [
        ({}, None, ()),
        ({"type": "model", "capabilities": None}, None, ()),
        ({"type": "llm"}, CHAT, ALL),
        ({"type": "vlm"}, ("completion", "vision"), ("thinking", "tools")),
        (
            {"type": "llm", "capabilities": {"vision": False, "trained_for_tool_use": True}},
            ("completion", "tools"),
            ("thinking",),
        ),
        (
            {"capabilities": {"vision": True, "reasoning": {"allowed_options": ["on", "off"]}}},
            ("completion", "thinking", "vision"),
            ("tools",),
        ),
        (
            {
                "capabilities": {
                    "image_input": {"supported": False},
                    "thinking": {"supported": True},
                }
            },
            ("completion", "thinking"),
            ("tools",),
        ),
        (
            {"capabilities": ["completion", "tools", "insert"]},
            ("completion", "insert", "tools"),
            ("thinking", "vision"),
        ),
        ({"labels": ["chat", "vision"]}, ("completion", "vision"), ("thinking", "tools")),
        (
            {"architecture": {"input_modalities": ["text"]}, "supported_parameters": ["tools"]},
            ("completion", "tools"),
            (),
        ),
        ({"modalities": ["text", "image"]}, ("completion", "vision"), ("thinking", "tools")),
        ({"modalities": {"input": ["text"]}}, CHAT, ("thinking", "tools")),
    ],
)
def test_what_a_chat_model_can(entry: Any, capabilities: Any, untold: Any) -> None:
    assert parse_abilities(entry) == (capabilities, untold)


@pytest.mark.parametrize(
    ("entry", "capability"),
    [
        ({"type": "embeddings"}, "embedding"),
        ({"type": "embedding", "capabilities": {"vision": True}}, "embedding"),
        ({"task": "feature-extraction"}, "embedding"),
        ({"capabilities": ["rerank"]}, "rerank"),
        ({"labels": ["reranking"]}, "rerank"),
        ({"mode": "audio_transcription"}, "transcription"),
        ({"recipe": "whispercpp"}, "transcription"),
        ({"model_type": "audio_tts"}, "speech"),
        ({"labels": ["image"], "recipe": "sd-cpp"}, "image"),
        ({"output_modalities": ["image"]}, "image"),
        ({"architecture": {"output_modalities": ["embeddings"]}}, "embedding"),
        ({"type": "moderation"}, "moderation"),
        ({"type": "decision"}, "decision"),
        ({"recipe": "onnxruntime", "labels": ["classification"]}, "classification"),
    ],
)
def test_a_model_that_is_made_for_something_else(entry: Any, capability: str) -> None:
    assert parse_abilities(entry).capabilities == (capability,)


def test_a_model_that_also_embeds_chats() -> None:
    assert parse_abilities({"capabilities": ["chat", "embeddings"]}).capabilities == (
        "completion",
        "embedding",
    )


@pytest.mark.parametrize("wrong", [7, "vision", [[]], {"a": {"b": "c"}}, [None], True, {}])
def test_fields_of_other_types_tell_nothing(wrong: Any) -> None:
    keys = ("type", "capabilities", "labels", "architecture", "modalities", "input_modalities")
    assert parse_abilities(dict.fromkeys(keys, wrong)).capabilities is None
