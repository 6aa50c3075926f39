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
        is_whole = self.middle in text if self.middle else text.startswith(self.suffix)
        return is_whole and self.prefix in text and self.suffix in text


_FAMILIES = (
    _Tokens("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, CodeGemma
    _Tokens("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite
    _Tokens("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    _Tokens(*map("<\uff5cfim\u2581{}\uff5c>".format, ("begin", "hole", "end"))),
    _Tokens("<PRE> ", " <SUF>", " <MID>"),  # Code Llama
    _Tokens("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),  # GLM
    _Tokens("[PREFIX]", "[SUFFIX]"),  # Codestral
)
"""Of the models' cards; the fourth is DeepSeek Coder's."""


def has_fill_in_middle(text: str) -> bool:
    """Whether a prompt holds the tokens by which a family of models fills a gap."""
    return any(each.are_in(text) for each in _FAMILIES)


def split_fill_in_middle(text: str) -> tuple[str, str] | None:
    """The text before the gap and the text behind it; None if it holds no such tokens."""
    for tokens in _FAMILIES:
        if tokens.are_in(text):
            # behind the gap stands what the model is to go on from
            text, begun = _halves(text, tokens.middle)
            before, _, rest = text.partition(tokens.prefix)
            if tokens.suffix in rest:
                prefix, _, suffix = rest.partition(tokens.suffix)
            else:  # the text behind the gap comes first
                before, _, suffix = before.partition(tokens.suffix)
                prefix = rest
            return before + prefix + begun, suffix
    return None


def _halves(text: str, token: str) -> tuple[str, str]:
    before, _, behind = text.partition(token) if token else (text, "", "")
    return before, behind
