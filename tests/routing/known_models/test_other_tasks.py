"""Models that are not made for chat, by their names; and chat models that are called alike."""

from __future__ import annotations

import pytest

from orch.routing.known_models.model_list import load_shipped
from orch.routing.known_models.other_tasks import rules, task_by_name
from orch.routing.wording import TASKS

NAMES = {
    "embedding": (
        "bge-m3 text-embedding-3-small text-embedding-nomic-embed-text-v1.5 mxbai-embed-large"
        " Qwen/Qwen3-Embedding-0.6B sentence-transformers/all-MiniLM-L6-v2 multilingual-e5-large"
        " gte-qwen2-7b-instruct jina-embeddings-v3 clip-vit-base-patch32 google/embeddinggemma-300m"
        " snowflake-arctic-embed2:568m WhereIsAI/UAE-Large-V1"
    ),
    "rerank": "BAAI/bge-reranker-v2-m3 jina-reranker-v2 Qwen3-Reranker-4B colbert-ir/colbertv2.0",
    "transcription": (
        "whisper-1 openai/whisper-large-v3 nvidia/parakeet-tdt-0.6b gpt-4o-mini-transcribe"
        " distil-whisper/distil-large-v3"
    ),
    "speech": "tts-1-hd hexgrad/Kokoro-82M kokoro suno/bark-small Qwen3-TTS-1.7B",
    "image": "flux.1-dev stable-diffusion-xl sdxl-turbo SD-Turbo sd3.5-large dall-e-3",
    "video": "Wan-AI/Wan2.2-T2V-A14B",
    "moderation": (
        "llama-guard3:8b meta-llama/Llama-Guard-4 omni-moderation-latest granite3-guardian:8b"
    ),
    "decision": "systemone-1 jev-mini",
}
CHATS = (
    "llama3.1:8b qwen2.5-omni-7b voxtral-mini-3b mistral-7b-sft-e5 influx-7b barking-7b big-70b"
    " gemma-3n-e4b granite-4.0-h-small deepseek-ocr embers-8b tulu-3-8b-rl sdk-coder-7b"
    " sdxl-prompt-writer gokaygokay/Flux-Prompt-Enhance stable-diffusion-prompt-generator:latest"
    " /srv/whisper/models/qwen3-8b.gguf /home/flux/smollm2.gguf tts/llama-3.1-8b"
)


@pytest.mark.parametrize(
    ("name", "task"), [(name, task) for task, names in NAMES.items() for name in names.split()]
)
def test_a_model_of_another_kind(name: str, task: str) -> None:
    assert task_by_name(name) == task


@pytest.mark.parametrize("name", CHATS.split())
def test_a_chat_model_that_is_called_alike(name: str) -> None:
    assert task_by_name(name) == ""


def test_no_known_chat_model_is_taken_for_another_kind() -> None:
    known = load_shipped()["models"]
    names = [name for model in known for name in (model["name"], *model.get("ollama", ()))]
    assert len(names) > 400
    assert [name for name in names if task_by_name(name)] == []


def test_every_rule_has_a_source_and_a_capability_with_words() -> None:
    for rule in rules():
        assert rule["source"].startswith("https://")
        assert rule["capability"] in TASKS
        assert all(name == name.lower().strip() for name in rule["names"])


def test_a_name_of_any_length_and_form_is_read() -> None:
    assert [task_by_name(name) for name in ("", "/", "---", "é" * 10_000, "a/" * 5_000)] == [""] * 5
