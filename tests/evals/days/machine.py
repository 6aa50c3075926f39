"""The simulated machine: models with sizes and true speeds, and the time of an answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orch.types import TaskType

BANDWIDTH_GB_S = {"gpu": 400.0, "cpu": 60.0}
PREFILL_TIMES = 10.0
LOAD_FIXED_S, LOAD_GB_S = 0.5, 1.2
WARM_S = 0.02
"""The load time that Ollama reports for a loaded model."""
GB_PER_B = {
    "Q2_K": 0.39,
    "Q3_K_M": 0.49,
    "Q4_0": 0.58,
    "Q4_K_M": 0.62,
    "MXFP4": 0.66,
    "Q8_0": 1.07,
    "F16": 2.0,
}
LOST = {"Q2_K": 0.05, "Q3_K_M": 0.02}
"""True quality lost below 4 bits: an assumption, since all scores are of 16 bits."""
_FILE_TYPE = {"F16": 1, "Q4_0": 2, "Q8_0": 7, "Q2_K": 10, "Q3_K_M": 12, "Q4_K_M": 15, "MXFP4": 38}
_SIZE = re.compile(r"(?:^|-)((?:\d+x)?\d+(?:\.\d+)?[bm](?:-a\d+(?:\.\d+)?[bm])?|e\db)(?=-|$)")
_ACTIVE = re.compile(r"-a(\d+(?:\.\d+)?)b\b")
_LAYERS = ((1.0, 24, 2), (3.5, 28, 8), (9.0, 32, 8), (16.0, 40, 8), (40.0, 60, 8), (1e9, 80, 8))
"""Up to this many billions: layers and KV heads, close to real models."""
_ARCHITECTURES = (
    ("deepseek-r1-distill-llama", "llama"), ("deepseek-r1-0528", "qwen3"),
    ("deepseek-r1", "qwen2"), ("deepseek-coder-v2", "deepseek2"), ("deepcoder", "qwen2"),
    ("qwen3.6", "qwen35"), ("qwen3.5", "qwen35"), ("qwen3-vl", "qwen3vl"), ("qwen3", "qwen3"),
    ("qwen2.5-vl", "qwen25vl"), ("qwen", "qwen2"), ("codeqwen", "qwen2"), ("qwq", "qwen2"),
    ("gemma-4", "gemma4"), ("gemma-3n", "gemma3n"), ("gemma-3", "gemma3"), ("gemma-2", "gemma2"),
    ("gemma", "gemma"), ("codegemma", "gemma"), ("gpt-oss", "gptoss"), ("ministral-3", "mistral3"),
    ("devstral-small-2-", "mistral3"), ("phi-", "phi3"), ("granite-4", "granitehybrid"),
    ("granite", "granite"), ("command-r7b", "cohere2"), ("command-r", "command-r"),
    ("aya", "command-r"), ("exaone", "exaone"), ("olmo-2", "olmo2"), ("olmo-3", "olmo3"),
    ("internlm2", "internlm2"), ("glm-4.7", "glm4moelite"), ("glm", "chatglm"),
    ("codegeex", "chatglm"), ("nemotron", "nemotron_h_moe"), ("lfm2", "lfm2"),
    ("starcoder2", "starcoder2"), ("stablelm", "stablelm"), ("falcon-", "falcon"),
)  # fmt: skip
"""By the prefix of the canonical name; Llama's architecture otherwise."""
_BARE = (
    "gemma3",
    "gemma3n",
    "gemma4",
    "gptoss",
    "mistral3",
    "qwen25vl",
    "qwen3vl",
    "qwen35",
    "glm4moelite",
    "nemotron_h_moe",
)
"""Architectures whose models Ollama converts itself: `/api/show` has no basename for them."""
_NAMED_SINCE = "2024-07"
"""Older GGUF files have no basename either (llama.cpp writes it since then)."""


@dataclass(frozen=True, slots=True)
class Model:
    """One blob in the simulated Ollama under one or several names. `quality` is the true
    quality."""

    names: tuple[str, ...]
    canonical: str
    params_b: float
    active_b: float
    bits: str
    context: int
    capabilities: tuple[str, ...]
    general: Mapping[str, Any]
    quality: Mapping[TaskType, float]

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]

    @property
    def thinks(self) -> bool:
        """Whether it thinks before it answers."""
        return "thinking" in self.capabilities

    @property
    def size_gb(self) -> float:
        """Gigabytes of the blob."""
        return self.params_b * GB_PER_B[self.bits] + 0.2

    @property
    def digest(self) -> str:
        """The digest of the blob, the same for all names."""
        return hashlib.sha256(f"{self.canonical} {self.bits} {self.names[0]}".encode()).hexdigest()

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of layers and KV heads."""
        return next((layers, heads) for most, layers, heads in _LAYERS if self.params_b <= most)

    def bytes_at(self, num_ctx: int) -> int:
        """Memory of the loaded model with that context."""
        layers, heads = self.shape
        return int(self.size_gb * 1e9) + layers * heads * 256 * 2 * num_ctx

    def rate(self, machine: str) -> float:
        """Decoding speed in tokens per second: memory bandwidth / active gigabytes."""
        return BANDWIDTH_GB_S[machine] / (self.size_gb * self.active_b / self.params_b)

    @property
    def load_s(self) -> float:
        """Seconds of a cold load."""
        return LOAD_FIXED_S + self.size_gb / LOAD_GB_S

    def tag(self, name: str) -> dict[str, Any]:
        """Its entry in `/api/tags`."""
        return {
            "name": name,
            "model": name,
            "size": int(self.size_gb * 1e9),
            "digest": self.digest,
            "details": self._details(),
        }

    def show(self) -> dict[str, Any]:
        """Its `/api/show`, as Ollama 0.32 tells it, without templates and licences."""
        arch, (layers, heads) = self.architecture, self.shape
        facts = {
            **self.general,
            "general.architecture": arch,
            "general.file_type": _FILE_TYPE[self.bits],
            "general.parameter_count": int(self.params_b * 1e9),
            "general.quantization_version": 2,
            f"{arch}.block_count": layers,
            f"{arch}.context_length": self.context,
            f"{arch}.embedding_length": heads * 4 * 128,
            f"{arch}.attention.head_count": heads * 4,
            f"{arch}.attention.head_count_kv": heads,
        }
        if self.active_b < self.params_b * 0.7:
            facts |= {f"{arch}.expert_count": 128, f"{arch}.expert_used_count": 8}
        return {
            "details": self._details(),
            "model_info": facts,
            "capabilities": ["completion", *self.capabilities],
            "parameters": "",
        }

    @property
    def architecture(self) -> str:
        """The name in GGUF metadata."""
        arch = architecture(self.canonical)
        return (
            f"{arch}moe"
            if self.active_b < self.params_b / 4
            and arch in ("qwen3", "qwen35", "qwen3vl", "lfm2", "granite")
            else arch
        )

    def _details(self) -> dict[str, Any]:
        arch = self.architecture
        size = f"{self.params_b:.1f}B" if self.params_b >= 1 else f"{self.params_b * 1000:.2f}M"
        return {
            "parent_model": "",
            "format": "gguf",
            "family": arch,
            "families": [arch],
            "parameter_size": size,
            "quantization_level": self.bits,
        }


def made(
    facts: Mapping[str, Any],
    quality: Mapping[TaskType, float],
    names: tuple[str, ...] = (),
    bits: str = "",
    style: str = "usual",
) -> Model:
    """A model from its line of the data; `style` of the metadata: usual (like the real model's),
    bare, or sized (size in the basename)."""
    bits = bits or ("MXFP4" if facts["family"] == "gpt-oss" else "Q4_K_M")
    return Model(
        names=names or (facts["ollama"][0],),
        canonical=facts["model"],
        params_b=facts["params_b"],
        active_b=facts["active_b"] or _active_in(facts["ollama"]) or facts["params_b"],
        bits=bits,
        context=facts["context"] or 8192,
        capabilities=_capabilities(facts),
        general=metadata(facts, style),
        quality={kind: value - LOST.get(bits, 0.0) for kind, value in quality.items()},
    )


def _active_in(names: Sequence[str]) -> float | None:
    """Active billions from the name if the data lacks them (granite4:7b-a1b-h)."""
    return next((float(found[1]) for name in names if (found := _ACTIVE.search(name))), None)


def mode_of(facts: Mapping[str, Any]) -> str:
    """How Ollama's model answers by default: a model that can think does."""
    return "on" if any(score["mode"] == "on" for score in facts["scores"]) else "off"


def _capabilities(facts: Mapping[str, Any]) -> tuple[str, ...]:
    # the data records thinking by library family: an instruct model of a thinking family does not
    # think
    return tuple(
        each for each in facts["capabilities"] if each != "thinking" or mode_of(facts) == "on"
    )


def architecture(canonical: str) -> str:
    """The name in GGUF metadata, without the suffix of a mixture of experts."""
    return next((arch for begin, arch in _ARCHITECTURES if canonical.startswith(begin)), "llama")


def metadata(facts: Mapping[str, Any], style: str) -> dict[str, Any]:
    """The `general.*` keys with the model's name."""
    name = facts["model"]
    old = (facts["released"] or "2024-01") < _NAMED_SINCE
    if style == "bare" or (style == "usual" and (architecture(name) in _BARE or old)):
        return {"general.name": _cased(name)} if old and style == "usual" else {}
    size = _SIZE.search(name)
    base, finetune = (name[: size.start()], name[size.end() :].strip("-")) if size else (name, "")
    label = size.group(1).upper() if size else f"{facts['params_b']:g}B"
    base = f"meta-{base}" if facts["family"] in ("llama3", "llama3.1") else base
    version = re.search(r"(?:^|-)(\d{4})$", finetune)
    words = {
        "general.type": "model",
        "general.name": _cased(name).replace("-", " "),
        "general.basename": _cased(f"{base}-{label}" if style == "sized" else base),
        "general.size_label": label,
    }
    if version:
        finetune, words["general.version"] = finetune[: version.start()], version.group(1)
    return words | ({"general.finetune": _cased(finetune)} if finetune else {})


def _cased(text: str) -> str:
    return "-".join(word[:1].upper() + word[1:] for word in text.split("-"))
