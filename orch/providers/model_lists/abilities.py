"""What a model can do, as an entry of a model list tells it by type, task, labels, capabilities and
modalities (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.providers.model_lists.values import word, words

MODIFIERS = ("thinking", "tools", "vision")
"""What a chat model may have; where a server is silent about one, it is untold."""
TASKS: Mapping[str, str] = {
    **dict.fromkeys(("llm", "vlm", "chat", "completion", "text"), "completion"),
    **dict.fromkeys(
        ("text-generation", "generate", "completion-chat", "chat-completion"), "completion"
    ),
    **dict.fromkeys(("image-text-to-text", "responses", "multimodal"), "completion"),
    **dict.fromkeys(("embedding", "embeddings", "embed", "text-embedding"), "embedding"),
    **dict.fromkeys(("feature-extraction", "sentence-similarity"), "embedding"),
    **dict.fromkeys(("rerank", "reranker", "reranking", "text-ranking", "score"), "rerank"),
    **dict.fromkeys(
        ("transcription", "transcript", "stt", "whisper", "whispercpp"), "transcription"
    ),
    **dict.fromkeys(
        ("automatic-speech-recognition", "audio-transcription", "audio-stt"), "transcription"
    ),
    **dict.fromkeys(("tts", "speech", "text-to-speech", "audio-speech", "kokoro"), "speech"),
    **dict.fromkeys(("audio-tts", "audio-sts", "audio-generation", "sound-generation"), "speech"),
    **dict.fromkeys(("image", "text-to-image", "image-generation", "diffusion"), "image"),
    **dict.fromkeys(("image-edit", "image-gen", "upscaling", "sd-cpp", "3d"), "image"),
    **dict.fromkeys(("video", "text-to-video", "video-generation"), "video"),
    **dict.fromkeys(("moderation", "moderations", "guard"), "moderation"),
    **dict.fromkeys(("classification", "classifier", "text-classification"), "classification"),
    **dict.fromkeys(("reward", "decision", "systemone", "system-one"), "decision"),
}
"""The words of vLLM, LM Studio, Lemonade, LocalAI, oMLX, LiteLLM and Hugging Face for what a model
is made for, and orch's capability. Other words tell nothing."""
_WORDS: Mapping[str, frozenset[str]] = {
    "tools": frozenset(
        "tools tool-use tool-calling tool-call function-calling trained-for-tool-use"
        " supports-tools".split()
    ),
    "vision": frozenset(("vision", "image-input", "images", "supports-vision")),
    "thinking": frozenset(("thinking", "reasoning", "supports-thinking", "supports-reasoning")),
}
"""How servers call each of MODIFIERS."""
_OUTPUTS = {"image": "image", "audio": "speech", "video": "video", "3d": "image"}
_OUTPUTS |= {"embeddings": "embedding", "embedding": "embedding", "rerank": "rerank"}


class Abilities(NamedTuple):
    """orch's capabilities, None if the entry tells none; and which of MODIFIERS it is silent
    about."""

    capabilities: tuple[str, ...] | None = None
    untold: tuple[str, ...] = ()


def parse_abilities(entry: Mapping[str, Any]) -> Abilities:
    """What an entry tells of its model's abilities."""
    tasks = _tasks(entry)
    if tasks and "completion" not in tasks:
        return Abilities(tuple(sorted(tasks)))
    told = {name: _has(entry, name) for name in MODIFIERS}
    untold = tuple(name for name, has in told.items() if has is None)
    if not tasks and len(untold) == len(MODIFIERS):
        return Abilities()
    has = {name for name, holds in told.items() if holds}
    if "insert" in _listed(entry, "capabilities"):
        has.add("insert")
    return Abilities(tuple(sorted({"completion", *tasks, *has})), untold)


def _tasks(entry: Mapping[str, Any]) -> set[str]:
    """orch's words for what the model is made for; empty if the entry does not say."""
    kinds = ("type", "model_type", "task", "mode", "pipeline_tag", "recipe")
    named = frozenset(word(entry.get(key)) for key in kinds)
    listed = _listed(entry, "capabilities", "labels", "tasks")
    found = {TASKS[each] for each in named | listed if each in TASKS}
    outputs = _modalities(entry, "output") or frozenset()
    if found or "text" in outputs:
        return found
    return {_OUTPUTS[each] for each in outputs if each in _OUTPUTS}


def _has(entry: Mapping[str, Any], name: str) -> bool | None:
    """Whether the model has one of MODIFIERS; None if the entry does not say."""
    flags = _flags(entry.get("capabilities"), _WORDS[name])
    if name == "vision":
        flags |= {True} if word(entry.get("type")) == "vlm" else set()
        if (inputs := _modalities(entry, "input")) is not None:
            flags.add(bool(inputs & {"image", "images"}))
    elif isinstance(entry.get("supported_parameters"), list):  # a gateway's: it names every one
        flags.add(bool(_listed(entry, "supported_parameters") & _WORDS[name]))
    if _listed(entry, "capabilities", "labels", "features", "supported_features") & _WORDS[name]:
        return True
    return any(flags) if flags else None


def _flags(capabilities: Any, names: frozenset[str]) -> set[bool]:
    """What an object of capabilities says of an ability under any of its names: a flag, or an
    object that describes it and may have a flag `supported`."""
    if not isinstance(capabilities, dict):
        return set()
    values = [value for key, value in capabilities.items() if word(key) in names]
    objects = [value.get("supported", True) for value in values if isinstance(value, dict)]
    return {value for value in (*values, *objects) if isinstance(value, bool)}


def _listed(entry: Mapping[str, Any], *keys: str) -> frozenset[str]:
    """The words of several lists."""
    return frozenset().union(*(words(entry.get(key)) or () for key in keys))


def _modalities(entry: Mapping[str, Any], side: str) -> frozenset[str] | None:
    """The modalities of `input` or `output`; None if the entry does not say."""
    own = entry.get("modalities")
    places: tuple[Any, ...] = (entry, entry.get("architecture"), own)
    for place in places:
        for key in (f"{side}_modalities", side) if isinstance(place, dict) else ():
            if found := words(place.get(key)):
                return found
    return (words(own) or None) if side == "input" and isinstance(own, list) else None
