"""A model's name taken apart: what it is called, how large it says it is, which version, how it was quantised (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SPLIT = re.compile(r"[-_:\s]+")
_QUANT = re.compile(r"i?q\d|tq\d|bf16|fp?16|fp?32|fp8|mxfp4|nvfp4|int[48]|\d-?bit|awq|gptq|exl\d")
_QUANT_PART = frozenset(("k", "m", "s", "l", "xl", "xs", "xxs", "nl", "0", "1", "4", "8"))
"""What follows it after an underscore: q4_K_M, iq3_xxs, q8_0."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bm])")
_MIXTURE = re.compile(r"(\d+)x(\d+(?:\.\d+)?)b")
_ACTIVE = re.compile(r"a(\d+(?:\.\d+)?)([bm])")
_EFFECTIVE = re.compile(r"e\d+b")
_EXPERTS = re.compile(r"\d+e")
_VERSION = re.compile(r"v\d+(?:\.\d+)*")
_MONTH = re.compile(r"\d{4}")
LEAST_MILLIONS = 20.0
"""A smaller number with an M is a context (qwen2.5-14b-instruct-1m), not a size."""
_TUNED = frozenset(("instruct", "chat", "it", "hf"))
"""Say that a model follows instructions, as nearly all that are run do."""
_IDLE = frozenset(("", "latest", "gguf", "ggml", "mlx", "qat", "bnb", "imat", "imatrix", "i1", "ud", "unsloth", "dynamic", "cloud", "moe", "dwq"))
VENDORS = frozenset(
    ("meta", "google", "microsoft", "openai", "mistralai", "nvidia", "ibm", "c4ai", "lgai", "thudm", "tiiuae", "allenai", "huggingfacetb", "nousresearch")
)


@dataclass(frozen=True, slots=True)
class Name:
    """`words` in order, without size, version and quantisation; `stem` is the same in one piece (`qwen2.5coder`). Sizes in billions."""

    words: tuple[str, ...]
    stem: str
    size: str = ""
    size_b: float | None = None
    active_b: float | None = None
    versions: frozenset[str] = frozenset()
    tuned: frozenset[str] = frozenset()
    quantization: str = ""


def taken_apart(text: str) -> Name:
    """The parts of a tag, of a file's name or of `general.basename`."""
    text = text.lower().rsplit("/", 1)[-1].rsplit("\\", 1)[-1].removesuffix(".gguf")
    parts: dict[str, list[str]] = {"word": [], "size": [], "active": [], "version": [], "tuned": [], "quant": [], "idle": []}
    for token in _own(_tokens(text)):
        kind = _kind(token)
        if kind == "late version":
            kind = "version" if parts["size"] else "word"
        if parts["quant"] and token in _QUANT_PART:
            kind = "idle"
        parts[kind].append(token)
    words, size = parts["word"], "".join(parts["size"][:1])
    return Name(
        tuple(words),
        "".join(words),
        size,
        _billions(size),
        _billions("".join(parts["active"][:1]).removeprefix("a")),
        frozenset(parts["version"]),
        frozenset(parts["tuned"]),
        "".join(parts["quant"][:1]),
    )


def _tokens(text: str) -> list[str]:
    """Between dashes, underscores and colons; a dot parts only a quantisation from the rest (v0.2.Q4_K_M)."""
    tokens = _SPLIT.split(text)
    return [part for token in tokens for part in (token.rsplit(".", 1) if "." in token and _QUANT.fullmatch(token.rsplit(".", 1)[1]) else (token,))]


def _own(tokens: list[str]) -> list[str]:
    """Without the vendor in front: `meta-llama-3.1`, `qwen_qwen3-8b`."""
    if tokens[:2] == ["deepseek", "ai"]:
        return _own(tokens[2:])
    if len(tokens) > 1 and (tokens[0] in VENDORS or (tokens[0].isalpha() and tokens[1].startswith(tokens[0]))):
        return _own(tokens[1:])
    return tokens


@lru_cache(maxsize=4_096)
def _kind(token: str) -> str:
    """What a token is. Names share most tokens, and reading one takes some regular expressions."""
    if token in _IDLE or _EXPERTS.fullmatch(token):
        return "idle"
    if token in _TUNED:
        return "tuned"
    if _QUANT.fullmatch(token):
        return "quant"
    if _billions(token) or _EFFECTIVE.fullmatch(token):
        return "size"
    if _ACTIVE.fullmatch(token):
        return "active"
    if token == "preview" or _MONTH.fullmatch(token):
        return "version"
    return "late version" if _VERSION.fullmatch(token) else "word"


def _billions(size: str) -> float | None:
    """Of 8b, 135m and 8x7b; None for e4b, which tells no size, and for what is not one."""
    if found := _SIZE.fullmatch(size):
        number = float(found[1])
        return number if found[2] == "b" else number / 1000 if number >= LEAST_MILLIONS else None
    found = _MIXTURE.fullmatch(size)
    return float(found[1]) * float(found[2]) if found else None


def bits(quantization: str) -> int | None:
    """Bits a weight, by the name of a quantisation (Q4_K_M, IQ3_XXS, F16); None where it does not say."""
    found = re.search(r"\d+", quantization)
    return int(found[0]) if found and _QUANT.fullmatch(quantization.lower().split("_")[0]) else None
