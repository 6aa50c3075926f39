"""Parses Ollama's model metadata: `/api/tags`, `/api/ps` and `/api/show` to InstalledModel and
ModelInfo (pure)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.providers.read_limits import metadata_word, metadata_words
from orch.providers.remote_models import remote_host_of
from orch.text.model_names import comparison_key


class LoadedModels:
    """The entries of `/api/ps` by digest, since Ollama lists only the first loaded name of a
    digest; by name if the digest is missing or unknown."""

    def __init__(self, running: Sequence[dict[str, Any]], known: Collection[str]) -> None:
        self._by_digest = {
            digest: entry for entry in running if (digest := digest_of(entry)) in known and digest
        }
        others = (entry for entry in running if digest_of(entry) not in self._by_digest)
        self._by_name = {
            comparison_key(entry.get("name") or entry.get("model", "")): entry for entry in others
        }

    def entry_of(self, tag: dict[str, Any]) -> dict[str, Any] | None:
        """The entry of a model of `/api/tags`; None if it is not loaded."""
        return self._by_digest.get(digest_of(tag)) or self._by_name.get(
            comparison_key(tag.get("name", ""))
        )


def digest_of(entry: dict[str, Any]) -> str:
    """The digest of an entry of `/api/tags` or `/api/ps`; empty if it has none."""
    return str(entry.get("digest") or "").removeprefix("sha256:")


def parse_installed(entry: dict[str, Any], loaded: dict[str, Any] | None) -> InstalledModel:
    """Parses a model of `/api/tags` and, if it is loaded, its entry of `/api/ps`."""
    details = entry.get("details") or {}
    return InstalledModel(
        name=entry.get("name") or entry.get("model", ""),
        digest=metadata_word(entry.get("digest")),
        size_bytes=int(entry.get("size") or 0),
        family=metadata_word(details.get("family")),
        parameter_size=metadata_word(details.get("parameter_size")),
        resident=loaded is not None,
        resident_ctx=(loaded.get("context_length") or None) if loaded else None,
        resident_bytes=int(loaded.get("size") or 0) if loaded else 0,
        remote_host=remote_host_of(entry) or remote_host_of(loaded or {}),
    )


def parse_model_info(show: dict[str, Any]) -> ModelInfo:
    """Parses the response of `/api/show`."""
    facts = show.get("model_info") or {}
    arch = facts.get("general.architecture", "")
    count = facts.get("general.parameter_count")
    return ModelInfo(
        capabilities=metadata_words(show.get("capabilities")),
        context_window=facts.get(f"{arch}.context_length"),
        parameters_b=count / 1e9 if isinstance(count, (int, float)) and count > 0 else None,
        kv_bytes_per_token=_kv_bytes(facts, arch),
        family=metadata_word((show.get("details") or {}).get("family")) or metadata_word(arch),
        num_ctx=_parameter(show.get("parameters") or "", "num_ctx"),
        closes_answers=_closes_answers(show.get("template")),
        **_identity_fields(show, facts, arch),
    )


def _identity_fields(show: dict[str, Any], facts: dict[str, Any], arch: str) -> dict[str, Any]:
    """The fields that identify a model: words of the GGUF's metadata, which may be missing or of
    any type."""
    words = {
        name: metadata_word(facts.get(f"general.{name}"))
        for name in ("basename", "size_label", "finetune", "version")
    }
    return {
        **words,
        "architecture": metadata_word(arch),
        "base_model": metadata_word(facts.get("general.base_model.0.name")),
        "quantization": metadata_word((show.get("details") or {}).get("quantization_level")),
        "active_b": _active_b(facts, arch),
        "adapted": "\nADAPTER " in f"\n{show.get('modelfile') or ''}",
    }


def _closes_answers(template: Any) -> bool:
    """Whether a Go template of messages treats the last one as any other: those that leave it open
    compare its place with `slice` (`$last := eq (len (slice $.Messages $i)) 1`). Other templates
    are cut at the answer by Ollama itself, or rendered by llama-server."""
    return isinstance(template, str) and ".Messages" in template and "slice" not in template


def _active_b(facts: dict[str, Any], arch: str) -> float | None:
    """Billions of parameters without the experts that a token does not use; an expert has three
    matrices a layer."""
    names = ("block_count", "embedding_length", "expert_count", "expert_used_count")
    layers, width, experts, used = (facts.get(f"{arch}.{name}") for name in names)
    inner = facts.get(f"{arch}.expert_feed_forward_length") or facts.get(
        f"{arch}.feed_forward_length"
    )
    count = facts.get("general.parameter_count")
    if not all(map(_count, (layers, width, experts, used, inner, count))):
        return None
    expert = 3 * int(layers or 0) * int(width or 0) * int(inner or 0)
    idle = expert * (int(experts or 0) - int(used or 0))
    return (int(count or 0) - idle) / 1e9 if 0 < idle < int(count or 0) else None


def _parameter(parameters: str, name: str) -> int | None:
    """A positive integer parameter of a Modelfile: `parameters` of /api/show has a name and its
    value on each line. The last one counts."""
    pairs = [line.split(maxsplit=1) for line in parameters.splitlines()]
    values = [pair[1].strip() for pair in pairs if len(pair) == 2 and pair[0] == name]
    return (int(values[-1]) or None) if values and values[-1].isdigit() else None


def _kv_bytes(facts: dict[str, Any], arch: str) -> int | None:
    """Bytes of KV cache per token: layers x KV heads x (key + value length) x 2 bytes (f16, the
    default cache type of Ollama)."""
    layers, heads = facts.get(f"{arch}.block_count"), facts.get(f"{arch}.attention.head_count")
    kv_heads = facts.get(f"{arch}.attention.head_count_kv") or heads
    width = facts.get(f"{arch}.embedding_length")
    if isinstance(kv_heads, list):
        kv_heads = max(kv_heads, default=0)
    if isinstance(heads, list):
        heads = max(heads, default=0)
    if not (_count(layers) and _count(heads) and _count(kv_heads) and _count(width)):
        return None
    head = int(width or 0) // int(heads or 1)
    key = facts.get(f"{arch}.attention.key_length") or head
    value = facts.get(f"{arch}.attention.value_length") or head
    return int(layers or 0) * int(kv_heads or 0) * int(key + value) * 2


def _count(number: Any) -> bool:
    return isinstance(number, int) and number > 0
