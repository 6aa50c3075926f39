"""Parses a model's name into words, size, version and quantization (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SPLIT = re.compile(r"[-_:\s]+")
_TOKEN = re.compile(
    r"(?P<quant>i?q\d|tq\d|bf16|fp?16|fp?32|fp8|mxfp4|nvfp4|int[48]|\d-?bit|awq|gptq|exl\d)"
    r"|(?P<size>\d+(?:\.\d+)?[bm]|\d+x\d+(?:\.\d+)?b|e\d+b)"
    r"|(?P<active>a\d+(?:\.\d+)?[bm])"
    r"|(?P<idle>\d+e)"
    r"|(?P<version>\d{4}|preview)"
    r"|(?P<late_version>v\d+(?:\.\d+)*)"
)
"""One expression, not eight: compiling eight took longer than parsing the names of the models on a
machine."""
_QUANT_PART = frozenset(("k", "m", "s", "l", "xl", "xs", "xxs", "nl", "0", "1", "4", "8"))
"""What follows a quantization after an underscore: q4_K_M, iq3_xxs, q8_0."""
_DECIMAL = re.compile(r"-([01])_(\d{1,2}b)\b")
"""A size with its point as an underscore, between dashes: stablelm-2-1_6b."""
_SIZE_IN_WORD = re.compile(r"[a-z]{2,20}(\d{1,4}(?:\.\d)?)b")
MOST_B = 2_000.0
LEAST_MILLIONS = 20.0
"""A smaller number of M is a context (qwen2.5-14b-instruct-1m), not a size."""
_TUNED = frozenset(("instruct", "chat", "it", "hf"))
"""Words of models that follow instructions, as nearly all do."""
_IDLE = frozenset(
    (
        "",
        "latest",
        "gguf",
        "ggml",
        "mlx",
        "qat",
        "bnb",
        "imat",
        "imatrix",
        "i1",
        "ud",
        "unsloth",
        "dynamic",
        "cloud",
        "moe",
        "dwq",
    )
)
VENDORS = frozenset(
    (
        "meta",
        "google",
        "microsoft",
        "openai",
        "mistralai",
        "nvidia",
        "ibm",
        "c4ai",
        "lgai",
        "thudm",
        "tiiuae",
        "allenai",
        "huggingfacetb",
        "nousresearch",
    )
)
_CODERS = ("coder", "codellama", "codestral", "devstral", "codegemma", "codeqwen", "codegeex")


@dataclass(frozen=True, slots=True)
class ParsedName:
    """`words` in order, without size, version and quantization; `stem` is the same joined
    (`qwen2.5coder`). Sizes in billions."""

    words: tuple[str, ...]
    stem: str
    size: str = ""
    size_b: float | None = None
    active_b: float | None = None
    loose_b: float | None = None
    """A size that is not one by itself: the 4 of e4b, which keeps more parameters aside; that in a
    word (llama70b)."""
    versions: frozenset[str] = frozenset()
    tuned: frozenset[str] = frozenset()
    quantization: str = ""


def parse_name(text: str) -> ParsedName:
    """The parts of a tag, of a file name or of `general.basename`."""
    text = text.lower().rsplit("/", 1)[-1].rsplit("\\", 1)[-1].removesuffix(".gguf")
    text = _DECIMAL.sub(r"-\1.\2", text)
    parts: dict[str, list[str]] = {
        "word": [],
        "size": [],
        "active": [],
        "version": [],
        "tuned": [],
        "quant": [],
        "idle": [],
    }
    for token in _own(_tokens(text)):
        kind = token_kind(token)
        if kind == "late_version":
            kind = "version" if parts["size"] else "word"
        if parts["quant"] and token in _QUANT_PART:
            kind = "idle"
        parts[kind].append(token)
    words = parts["word"]
    size, active = _all_and_active(text, parts["size"], parts["active"])
    return ParsedName(
        tuple(words),
        "".join(words),
        size,
        _billions(size),
        _billions(active) or _active_of_mixture(size),
        _billions(size.removeprefix("e")) if size[:1] == "e" else _size_in(words),
        frozenset(parts["version"]),
        frozenset(parts["tuned"]),
        "".join(parts["quant"][:1]),
    )


def _all_and_active(text: str, sizes: list[str], active: list[str]) -> tuple[str, str]:
    """The size, and what a token takes of it; empty where the name does not say."""
    if "moe" in text and len(sizes) == 2 and not active:  # olmoe-1b-7b
        least, most = sorted(sizes, key=lambda size: _billions(size) or 0.0)
        return most, least
    return "".join(sizes[:1]), "".join(active[:1]).removeprefix("a")


def _tokens(text: str) -> list[str]:
    """Splits at dashes, underscores and colons; a dot separates a quantization only
    (v0.2.Q4_K_M)."""
    tokens = _SPLIT.split(text)
    return [
        part
        for token in tokens
        for part in (
            token.rsplit(".", 1)
            if "." in token and token_kind(token.rsplit(".", 1)[1]) == "quant"
            else (token,)
        )
    ]


def _own(tokens: list[str]) -> list[str]:
    """Without the vendor in front: `meta-llama-3.1`, `qwen_qwen3-8b`."""
    if tokens[:2] == ["deepseek", "ai"]:
        return _own(tokens[2:])
    if len(tokens) > 1 and (
        tokens[0] in VENDORS or (tokens[0].isalpha() and tokens[1].startswith(tokens[0]))
    ):
        return _own(tokens[1:])
    return tokens


@lru_cache(maxsize=4_096)
def token_kind(token: str) -> str:
    """The kind of a token. Cached: names share most of them."""
    if token in _IDLE:
        return "idle"
    if token in _TUNED:
        return "tuned"
    match = _TOKEN.fullmatch(token)
    kind = (match and match.lastgroup) or "word"
    return (
        "idle"
        if kind == "size" and token[-1] == "m" and float(token[:-1]) < LEAST_MILLIONS
        else kind
    )


def _billions(size: str) -> float | None:
    """The billions of 8b, 135m or 8x7b; None without a size, and for e4b, which has none."""
    if not size or not size[0].isdigit():
        return None
    experts, _, each = size[:-1].rpartition("x")
    return float(experts or 1) * float(each) / (1 if size[-1] == "b" else 1000)


def _active_of_mixture(size: str) -> float | None:
    """The billions that a token takes of 8x7b: two experts, as of Mixtral (12.9 of 8x7b's 14, 39 of
    8x22b's 44: what the experts share counts twice)."""
    experts, _, each = size[:-1].partition("x")
    return 2 * float(each) if each and float(experts) > 2 else None


def _size_in(words: list[str]) -> float | None:
    """The size at the end of a word: llama70b. None of one that is too large to be a model's."""
    sizes = [float(match[1]) for match in map(_SIZE_IN_WORD.fullmatch, words) if match]
    return next((size for size in sizes if MOST_B >= size > 0), None)


def is_coder(name: str) -> bool:
    """Whether the name is that of a model for code. These are better at code than others of their
    size and date, by .65 sd of the scores."""
    text = name.lower()
    return any(word in text for word in _CODERS) or any(
        token.endswith("code") for token in _SPLIT.split(text)
    )


def quantization_bits(quantization: str) -> int | None:
    """Bits per weight of a quantization (Q4_K_M, IQ3_XXS, F16); None if its name does not have
    them."""
    head = quantization.lower().split("_")[0]
    digits = "".join(filter(str.isdigit, head.removeprefix("exl")))
    return int(digits) if digits and token_kind(head) == "quant" else None
