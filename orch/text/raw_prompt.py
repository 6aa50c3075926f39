"""Prompts that a model continues as they are, without a chat template, such as those by which
editors complete code (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class RawPrompt(NamedTuple):
    """A prompt, the text that follows the gap to fill, and more fields of `/api/generate`: raw,
    template, context, system, images."""

    text: str
    suffix: str = ""
    fields: Mapping[str, Any] = MappingProxyType({})

    def for_any_model(self) -> RawPrompt:
        """The same without the tokens of one family of models, if it has such: the server of
        another model puts in that model's own."""
        split = split_fill_in_middle(self.text)
        if split is None or self.suffix:
            return self
        others = {name: value for name, value in self.fields.items() if name != "raw"}
        return RawPrompt(*split, others)


class _Tokens(NamedTuple):
    """The tokens before the text before the gap, before the text behind it, and at the gap."""

    prefix: str
    suffix: str
    middle: str = ""

    def are_in(self, text: str) -> bool:
        """Whether a prompt is made of them. Those without a middle are words of prose, too: the
        text behind the gap comes first."""
        is_whole = self.middle in text if self.middle else text.lstrip().startswith(self.suffix)
        return is_whole and self.prefix in text and self.suffix in text


_FAMILIES = (
    _Tokens("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, CodeGemma
    _Tokens("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite
    _Tokens("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    _Tokens(*map("<\uff5cfim\u2581{}\uff5c>".format, ("begin", "hole", "end"))),
    # Code Llama, with the text behind the gap first, and last
    _Tokens(" <MID> ", "<PRE> <SUF>"),
    _Tokens(" <MID>", "<PRE> <SUF>"),
    _Tokens("<PRE> ", " <SUF>", " <MID>"),
    _Tokens("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),  # GLM
    _Tokens("[PREFIX]", "[SUFFIX]"),  # Codestral
)
"""Of the models' cards; the fourth is DeepSeek Coder's. Code Llama's tokenizer writes both orders
(`suffix_first` of transformers' tokenization_code_llama.py)."""
_BEGINNINGS = ("<s>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>")
"""Tokens at the beginning of a prompt, which each server puts in by itself: Mistral's and Llama's,
DeepSeek's."""


def has_fill_in_middle(text: str) -> bool:
    """Whether a prompt holds the tokens by which a family of models fills a gap."""
    return _family(_without_beginning(text)) is not None


def _family(text: str) -> _Tokens | None:
    return next((each for each in _FAMILIES if each.are_in(text)), None)


def _without_beginning(text: str) -> str:
    for token in _BEGINNINGS:
        text = text.removeprefix(token)
    return text


def split_fill_in_middle(text: str) -> tuple[str, str] | None:
    """The text before the gap and the text behind it; None if it holds no such tokens."""
    text = _without_beginning(text)
    tokens = _family(text)
    if tokens is None:
        return None
    # behind the gap stands what the model is to go on from
    text, begun = _halves(text, tokens.middle)
    before, _, rest = text.partition(tokens.prefix)
    if tokens.suffix in rest:
        prefix, _, suffix = rest.partition(tokens.suffix)
    else:  # the text behind the gap comes first
        before, _, suffix = before.partition(tokens.suffix)
        prefix = rest
    return (before if tokens.middle else "") + prefix + begun, suffix


def _halves(text: str, token: str) -> tuple[str, str]:
    before, _, behind = text.partition(token) if token else (text, "", "")
    return before, behind
