"""Recognizes which known model a provider's model is: by its GGUF metadata, else by its tag, which
also breaks ties (pure).

A fine-tune, a merge or another version of a known model is a relative of it, whose date is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from orch.routing.known_models.identity import Identity
from orch.routing.known_models.model_list import KnownModel, KnownModels, ModelLabel
from orch.routing.known_models.names import ParsedName, parse_name

SAME_SIZE = 1.3
"""The largest ratio between a model's parameter count and the known one: vendors round
(llama-3.2-1b has 1.24 B) and may omit encoders."""
AS_NEAR = 0.03
"""How much farther than the nearest size, as a logarithm, still counts as equal."""
LEAST_STEM = 4
"""The least characters of a stem that is searched inside a name."""
DERIVATIVE_WORDS = frozenset(
    "abliterated abliteration base derestricted distill distilled dolphin dpo finetune finetuned"
    " heretic hermes josiefied lora lorablated merge merged orpo roleplay rp sft text uncensored"
    " unfiltered".split()
)
"""Words of fine-tunes and merges, which often keep the metadata of their base."""


@dataclass(frozen=True, slots=True)
class RecognizedModel:
    """A known model; or a family and a year as far as known. `member`: a further model of that
    family; `relative`: the known model it derives from."""

    known: KnownModel | None = None
    family: str = ""
    year: float | None = None
    member: bool = False
    relative: str = ""


def recognize(identity: Identity, known_models: KnownModels) -> RecognizedModel:
    """The known model, else what is known of its relatives."""
    tag = parse_name(identity.tag)
    parts = (identity.basename, identity.size_label, identity.finetune, identity.version)
    metadata = parse_name("-".join(filter(None, parts))) if identity.basename else None
    size_b = parameters_b(identity, metadata, tag)
    labels = _by_metadata(identity, metadata, tag, known_models) if metadata else ()
    if not labels and (metadata is None or _kin(metadata, known_models, size_b) is None):
        labels = _matching(known_models, tag, identity.params_b)
    if labels:
        label = _one(labels, tag, identity.tag)
        if not _is_altered(identity, label, metadata, tag):
            return RecognizedModel(
                label.known,
                label.known.family,
                label.known.year or known_models.year_of(label.known.family),
            )
    return _relatives(identity, metadata, tag, known_models, size_b)


def parameters_b(identity: Identity, metadata: ParsedName | None, tag: ParsedName) -> float | None:
    """Billions of parameters: counted, else from the metadata or the tag. A label that contradicts
    the count is wrong."""
    return identity.params_b or (metadata.size_b if metadata else None) or tag.size_b


# ---------------------------------------------------------------- the same model


def _by_metadata(
    identity: Identity, metadata: ParsedName, tag: ParsedName, known_models: KnownModels
) -> Sequence[ModelLabel]:
    """The models of that basename and fine-tune. If the fine-tune means nothing (smollm2's is
    8k-lc100k-mix1-ep2), a library tag decides."""
    labels = _matching(known_models, metadata, identity.params_b)
    if labels or not identity.finetune or "/" in identity.tag:
        return labels
    base = parse_name(f"{identity.basename}-{identity.size_label}")
    named = {label.known.name for label in _matching(known_models, tag, identity.params_b)}
    return [
        label
        for label in _matching(known_models, base, identity.params_b)
        if label.known.name in named
    ]


def _matching(
    known_models: KnownModels, name: ParsedName, counted_b: float | None
) -> Sequence[ModelLabel]:
    """The labels of that stem, nearest in size, of the same version if the name has one."""
    fit = [
        (distance, label)
        for label in known_models.labels(name.stem)
        if (distance := _distance(label, name, counted_b)) is not None
    ]
    nearest = min((distance for distance, _ in fit), default=0.0)
    near = [label for distance, label in fit if distance <= nearest + AS_NEAR]
    if not name.versions:
        return near
    same = [label for label in near if label.name.versions and label.name.versions <= name.versions]
    # the month of a version distinguishes models; v1 and preview may come from a repackager
    return same or ([] if any(map(_is_month, name.versions)) else near)


def _distance(label: ModelLabel, name: ParsedName, counted_b: float | None) -> float | None:
    """The distance of the sizes as a logarithm; None if it is too large. Sizes written alike are
    equal, unless the count contradicts them."""
    size_b, alike = counted_b or name.size_b, bool(name.size) and name.size == label.name.size
    distance = abs(math.log(size_b / label.known.params_b)) if size_b else 0.0
    if alike and name.size_b is None:  # e2b: the count depends on whether embeddings are counted
        return 0.0
    if counted_b and distance > math.log(SAME_SIZE):
        return None
    if alike:
        return 0.0
    return None if distance > math.log(SAME_SIZE) or (name.size and size_b is None) else distance


def _one(labels: Sequence[ModelLabel], tag: ParsedName, text: str) -> ModelLabel:
    """Of several models with the same name, the one that the tag names, else the plain one."""
    full = text.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    behind = full.partition(":")[2]
    is_latest = not tag.size and behind == "latest"
    of_library = "/" not in full and (is_latest or bool(tag.size and tag.size in behind))

    def nearness(label: ModelLabel) -> tuple[bool, int, bool, bool, bool, int]:
        names = [parse_name(name) for name in label.known.ollama] if of_library else []
        same = [
            each
            for each in names
            if (each.stem, each.versions, each.tuned) == (tag.stem, tag.versions, tag.tuned)
            and (is_latest or each.size == tag.size)
        ]
        is_named = len(same) and 1 + any(
            bool(each.quantization) == bool(tag.quantization) for each in same
        )
        is_called_so = (label.name.stem, label.name.versions) == (tag.stem, tag.versions)
        return (
            full in map(str.lower, label.known.ollama),
            is_named,
            is_called_so,
            label.is_own,
            not label.name.versions,
            -len(label.known.name),
        )

    return max(labels, key=nearness)


def _is_altered(
    identity: Identity, label: ModelLabel, metadata: ParsedName | None, tag: ParsedName
) -> bool:
    """Whether the weights were changed: by an adapter, or by a word that says so and does not
    belong to the model's own name."""
    own = {
        word for name in (label.known.name, *label.known.ollama) for word in parse_name(name).words
    }
    words = {
        part
        for word in (*tag.words, *(metadata.words if metadata else ()))
        for part in (word, *word.split("."))
    }
    return identity.adapted or bool((words & DERIVATIVE_WORDS) - own)


# ---------------------------------------------------------------- relatives


def _relatives(
    identity: Identity,
    metadata: ParsedName | None,
    tag: ParsedName,
    known_models: KnownModels,
    size_b: float | None,
) -> RecognizedModel:
    """Family and date by the name of the model, of its base, or of its architecture."""
    for name in (metadata, tag, parse_name(identity.base_model) if identity.base_model else None):
        if name is not None and (kin := _kin(name, known_models, size_b)) is not None:
            year = _month_in(name) or kin.known.year or known_models.year_of(kin.known.family)
            is_member = (
                kin.name.stem == name.stem
                and not identity.adapted
                and not set(tag.words) & DERIVATIVE_WORDS
            )
            return RecognizedModel(
                None, kin.known.family, year, is_member, "" if is_member else kin.known.name
            )
    family = _family_called(identity.architecture, known_models)
    return RecognizedModel(None, family, _month_in(metadata or tag) or known_models.year_of(family))


def _kin(name: ParsedName, known_models: KnownModels, size_b: float | None) -> ModelLabel | None:
    """The known model whose stem is the longest run of words in the name; of several, the nearest
    in size."""
    count = len(name.words)
    runs = sorted(
        ((end - start, start) for start in range(count) for end in range(start + 1, count + 1)),
        key=lambda run: (-run[0], run[1]),
    )
    for length, start in runs:
        stem = "".join(name.words[start : start + length])
        labels = known_models.labels(stem) if len(stem) >= LEAST_STEM or not start else ()
        if labels:
            return min(
                labels,
                key=lambda label: (
                    abs(math.log((size_b or label.known.params_b) / label.known.params_b)),
                    len(label.known.name),
                ),
            )
    return None


def _month_in(name: ParsedName) -> float | None:
    """The year of a version such as 2507."""
    months = sorted(filter(_is_month, name.versions))
    return 2000 + int(months[0][:2]) + (int(months[0][2:]) - 1) / 12 if months else None


def _is_month(version: str) -> bool:
    """Whether it is year and month: 2507."""
    return (
        version.isdigit()
        and len(version) == 4
        and version[:2] >= "23"
        and "01" <= version[2:] <= "12"
    )


def _family_called(architecture: str, known_models: KnownModels) -> str:
    """The family that an architecture is named after (qwen3moe, gptoss). Most models share that of
    llama, which says nothing."""
    wanted = architecture.lower().removesuffix("moe")
    if not wanted:
        return ""
    families = known_models.families
    return next((each for each in families if re.sub("[-.]", "", each) == wanted), "")
