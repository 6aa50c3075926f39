"""Parses Ollama's model metadata: `/api/tags`, `/api/ps` and `/api/show` to InstalledModel and
ModelInfo (pure)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.providers.read_limits import metadata_word, metadata_words, positive_int
from orch.providers.remote_models import remote_host_of
from orch.providers.streams.values import parse_count
from orch.text.model_names import comparison_key

FIRST_YEAR_OF_PINNED = 2200


class LoadedModels:
    """The entries of `/api/ps` by digest, since Ollama lists only the first loaded name of a
    digest; by name if the digest is missing or unknown. `running` is None where nobody could say
    what is loaded."""

    def __init__(self, running: Sequence[dict[str, Any]] | None, known: Collection[str]) -> None:
        self.is_known = running is not None
        running = running or ()
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


def parse_installed(
    entry: dict[str, Any], loaded: dict[str, Any] | None, *, is_known: bool = True
) -> InstalledModel:
    """Parses a model of `/api/tags` and, if it is loaded, its entry of `/api/ps`.

    Unless `is_known`, nobody said which models are loaded. A field that is missing or of another
    type is unknown.
    """
    details = _mapping(entry.get("details"))
    loaded = loaded or {}
    return InstalledModel(
        name=entry.get("name") or entry.get("model", ""),
        digest=metadata_word(entry.get("digest")),
        size_bytes=positive_int(entry.get("size")) or 0,
        family=metadata_word(details.get("family")),
        parameter_size=metadata_word(details.get("parameter_size")),
        resident=bool(loaded) if is_known else None,
        resident_ctx=positive_int(loaded.get("context_length")),
        resident_bytes=positive_int(loaded.get("size")) or 0,
        # since 0.30; absent for a model that has none
        capabilities=metadata_words(entry.get("capabilities")) or None,
        remote_host=remote_host_of(entry) or remote_host_of(loaded),
        vram_bytes=_count(loaded.get("size_vram")),
        pinned=_is_pinned(loaded),
        context_window=positive_int(details.get("context_length")),
    )


def _is_pinned(loaded: dict[str, Any]) -> bool:
    """Whether a model was loaded with keep_alive -1, for which Ollama adds 292 years to now."""
    year = str(loaded.get("expires_at") or "")[:4]
    return year.isdecimal() and int(year) >= FIRST_YEAR_OF_PINNED


def parse_model_info(show: dict[str, Any]) -> ModelInfo:
    """Parses the response of `/api/show`. It does not name the draft model of a speculative one,
    whose weights `/api/tags` counts in the model's size."""
    facts = _mapping(show.get("model_info"))
    arch = metadata_word(facts.get("general.architecture"))
    count = parse_count(facts.get("general.parameter_count"))
    return ModelInfo(
        capabilities=metadata_words(show.get("capabilities")),
        context_window=positive_int(facts.get(f"{arch}.context_length")),
        parameters_b=count / 1e9 if count else None,
        **_kv_fields(facts, arch),
        family=metadata_word(_mapping(show.get("details")).get("family")) or arch,
        num_ctx=_parameter(show.get("parameters"), "num_ctx"),
        closes_answers=_closes_answers(show.get("template")),
        **_identity_fields(show, facts, arch),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    """A whole number from zero."""
    return 0 if value == 0 and value is not False else positive_int(value)


def _kv_fields(facts: dict[str, Any], arch: str) -> dict[str, Any]:
    from orch.providers.ollama.kv_cache import kv_cache  # 0.6 ms; few runs ask for details

    cache = kv_cache(facts, arch)
    if cache is None:
        return {}
    return {
        "kv_bytes_per_token": cache.bytes_per_token,
        "kv_window_bytes": cache.window_bytes,
        "kv_window_tokens": cache.window_tokens,
    }


def _identity_fields(show: dict[str, Any], facts: dict[str, Any], arch: str) -> dict[str, Any]:
    """The fields that identify a model: words of the GGUF's metadata, which may be missing or of
    any type."""
    words = {
        name: metadata_word(facts.get(f"general.{name}"))
        for name in ("basename", "size_label", "finetune", "version")
    }
    return {
        **words,
        "architecture": arch,
        "base_model": metadata_word(facts.get("general.base_model.0.name")),
        "quantization": metadata_word(_mapping(show.get("details")).get("quantization_level")),
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
    if not all(map(positive_int, (layers, width, experts, used, inner, count))):
        return None
    idle = 3 * int(layers or 0) * int(width or 0) * int(inner or 0)
    idle *= int(experts or 0) - int(used or 0)
    return (int(count or 0) - idle) / 1e9 if 0 < idle < int(count or 0) else None


def _parameter(parameters: Any, name: str) -> int | None:
    """A positive integer parameter of a Modelfile: `parameters` of /api/show has a name and its
    value on each line. The last one counts."""
    lines = parameters.splitlines() if isinstance(parameters, str) else []
    pairs = [line.split(maxsplit=1) for line in lines]
    values = [pair[1].strip() for pair in pairs if len(pair) == 2 and pair[0] == name]
    is_number = bool(values) and len(values[-1]) < 19 and values[-1].isdecimal()
    return (int(values[-1]) or None) if is_number else None
