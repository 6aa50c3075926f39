"""Estimates a model's quality before any grade of this machine: from its benchmark scores, else
from its size and date (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orch.routing.known_models.identity import Identity
from orch.routing.known_models.model_list import KnownModel, KnownModels
from orch.routing.known_models.names import ParsedName, is_coder, parse_name, quantization_bits
from orch.routing.known_models.recognition import RecognizedModel, parameters_b, recognize
from orch.routing.wording import reason_text
from orch.types import Prior, Reason, TaskType

UNKNOWN_B = 4.0
"""Billions of parameters of a model of unknown size: the most used models have 1 to 8."""
USUAL_BITS = 4.85
"""Bits a weight where the quantization is not told: those of Q4_K_M, by the table in llama.cpp's
tools/quantize/README.md."""
MOST_B = 132.0
"""The largest model that the formula was fitted to: no growth is assumed beyond it."""
EPOCH = 2024.5
QUANTIZATION_LOSS = {3: 0.3, 2: 0.8, 1: 2.0}
"""Quality (0 to 10) that fewer than 4 bits a weight cost. llama.cpp's table for Llama 7B:
perplexity 6.06 at Q4_K_M, 6.32 at Q3_K_M, 6.87 at Q2_K; with 16 bits 5.79, and 5.09 for 13B. So 3
bits cost a third of the step from 13B to 7B and 2 bits all of it, .15 and .5 by the regression;
doubled, since newer models lose more. The value for 1 bit is a judgement: too little was
measured."""
_THINKS = frozenset({"thinking", "think", "thinker", "reasoning", "reasoner", "r1", "qwq"})


@dataclass(frozen=True, slots=True)
class PriorEstimate:
    """A model's prior, and its size in billions of parameters, all and active, as far as known."""

    prior: Prior
    size_b: float | None
    active_b: float | None


def estimate_prior(identity: Identity, known_models: KnownModels) -> PriorEstimate:
    """From the scores of a known model, else by the formula."""
    recognized = recognize(identity, known_models)
    size_b, active_b = _sizes(identity, recognized)
    mode = _mode(recognized.known, identity) if recognized.known else None
    loss = QUANTIZATION_LOSS.get(
        quantization_bits(identity.quantization or parse_name(identity.tag).quantization) or 4, 0.0
    )
    if recognized.known and mode:
        entry = recognized.known.modes[mode]
        scores, newest = entry.get("scores"), entry.get("newest")
        origin = Reason("own_file")
        if scores and newest:
            origin = Reason("benchmarks", {"scores": scores, "newest": newest})
        prior = _prior({task: entry[task] - loss for task in TaskType}, origin)
    else:
        prior = _guessed(identity, recognized, (size_b, active_b), known_models, loss)
    return PriorEstimate(prior, size_b, active_b)


def shift_prior(prior: Prior, by: float, floor_gap: float) -> Prior:
    """The prior on another scale, `by` from 0 to 10. The order stays, at both ends too."""
    qualities = prior.quality
    if by:
        qualities = {task: soft_clamp(value * 10 + by) / 10 for task, value in qualities.items()}
    return replace(prior, quality=qualities, floor_gap=floor_gap)


def soft_clamp(quality: float) -> float:
    """Between 0 and 10 in the same order: unchanged from 1 to 9, ever flatter beyond."""
    if quality > 9:
        return 10 - math.exp(9 - quality)
    return quality if quality >= 1 else math.exp(quality - 1)


def _prior(qualities: Mapping[TaskType, float], *origin: Reason) -> Prior:
    clamped = {task: soft_clamp(value) / 10 for task, value in qualities.items()}
    return Prior(clamped, reason_text(origin), origin=origin)


def _mode(known: KnownModel, identity: Identity) -> str | None:
    """The mode it is called in: thinking if it can think, unless its provider says otherwise. None
    without scores."""
    wanted = ("off", "on") if identity.thinks is False else ("on", "off")
    return next((mode for mode in wanted if mode in known.modes), None)


# ---------------------------------------------------------------- the formula


def _guessed(
    identity: Identity,
    recognized: RecognizedModel,
    sizes: tuple[float | None, float | None],
    known_models: KnownModels,
    loss: float,
) -> Prior:
    """The value of the regression, plus the offset of the family for a member of one."""
    tag = parse_name(identity.tag)
    metadata = _metadata_name(identity)
    words = {*tag.words, *(metadata.words if metadata else ())}
    size_b, active_b = (min(size or UNKNOWN_B, MOST_B) for size in sizes)
    features = {
        "base": 1.0,
        "log_params": math.log(size_b),
        "log_active": math.log(min(active_b, size_b)),
        "thinking": float(identity.thinks is True or bool(words & _THINKS)),
        "coder": float(is_coder(_called(identity, recognized))),
    }
    offset = (
        known_models.families.get(recognized.family, {}).get("offset", {})
        if recognized.member or recognized.known
        else {}
    )
    by_formula = {
        task: _line(known_models.formula[task], features, recognized.year) for task in TaskType
    }
    qualities = {task: value + offset.get(task, 0.0) - loss for task, value in by_formula.items()}
    return _prior(qualities, *_origin(sizes[0], recognized))


def _called(identity: Identity, recognized: RecognizedModel) -> str:
    """The name in which a word for code counts: basename and fine-tune if the family is known, else
    basename and tag."""
    is_own = identity.basename and recognized.family
    return f"{identity.basename} {identity.finetune if is_own else identity.tag}"


def _sizes(identity: Identity, recognized: RecognizedModel) -> tuple[float | None, float | None]:
    """Billions of parameters, all and active."""
    tag, known = parse_name(identity.tag), recognized.known
    size_b = (
        parameters_b(identity, _metadata_name(identity), tag)
        or (known.params_b if known else None)
        or tag.loose_b
        or _weights_b(identity, tag)
    )
    active_b = identity.active_b or (known.active_b if known else None) or tag.active_b or size_b
    return size_b, active_b


def _weights_b(identity: Identity, tag: ParsedName) -> float | None:
    """Billions of weights that a file of that size may have; None without a size."""
    bits = quantization_bits(identity.quantization or tag.quantization) or USUAL_BITS
    return identity.size_bytes * 8 / bits / 1e9 if identity.size_bytes else None


def _metadata_name(identity: Identity) -> ParsedName | None:
    """The name in the GGUF's metadata, if the provider has it."""
    if not identity.basename:
        return None
    return parse_name(f"{identity.basename}-{identity.size_label}")


def _line(line: Mapping[str, Any], features: Mapping[str, float], year: float | None) -> float:
    weights: Mapping[str, float] = line["undated" if year is None else "dated"]
    grown = weights["year"] * (min(year, line["last"]) - EPOCH) if year is not None else 0.0
    return grown + sum(weights[name] * value for name, value in features.items())


def _origin(size_b: float | None, recognized: RecognizedModel) -> list[Reason]:
    """What the value was guessed from."""
    codes = {(True, True): "size_and_date", (True, False): "size", (False, True): "date"}
    code = codes.get((bool(size_b), bool(recognized.year)), "unknown_size")
    relative = [Reason("relative", {"model": recognized.relative})] if recognized.relative else []
    return [Reason(code), *relative]
