"""Separates thinking from the answer where a server leaves the markers of its model in the text: a
table of markers, and a splitter for text in pieces (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch.providers.streams.harmony import HarmonyParser


_GEMMA_CLOSES = ("<channel|>",)
_THOUGHT_CLOSES = ("<end_of_thought>", "</end_of_thought>", "<|end_of_thought|>")

MARKERS: dict[str, tuple[str, ...]] = {
    # DeepSeek-R1, QwQ, Qwen 3, GLM, Kimi K2, MiniMax M2, Nemotron, OLMo 3, Hunyuan, EXAONE 4
    # (ollama/ollama model/parsers; vllm-project/vllm vllm/reasoning)
    "<think>": ("</think>",),
    # open-webui/open-webui backend/open_webui/utils/middleware.py, DEFAULT_REASONING_TAGS;
    # <thought> is EXAONE Deep's
    "<thinking>": ("</thinking>",),
    "<thought>": ("</thought>",),
    "<reason>": ("</reason>",),
    "<reasoning>": ("</reasoning>",),
    # Magistral, Ministral 3 (ollama/ollama model/parsers/ministral.go)
    "[think]": ("[/think]",),
    # Seed-OSS (vllm-project/vllm vllm/reasoning/seedoss_reasoning_parser.py)
    "<seed:think>": ("</seed:think>",),
    # LongCat-Flash-Thinking (vllm-project/vllm vllm/reasoning/longcat_reasoning_parser.py)
    "<longcat_think>": ("</longcat_think>",),
    # openPangu: reserved tokens of its vocabulary (vllm-project/vllm, pangu_reasoning_parser.py)
    "[unused16]": ("[unused17]",),
    # MiniMax M3 (NousResearch/hermes-agent#62680)
    "<mm:think>": ("</mm:think>",),
    # Gemma 4 (ai.google.dev/gemma/docs/core/prompt-formatting-gemma4; ollama/ollama
    # model/parsers/gemma4.go); the word after the marker is the channel's name
    "<|channel>thought\n": _GEMMA_CLOSES,
    "<|channel>thought": _GEMMA_CLOSES,
    "<|channel>": _GEMMA_CLOSES,
    # MedGemma 1.5: reserved tokens of Gemma 3's vocabulary, written out by most servers
    "<unused94>thought\n": ("<unused95>",),
    "<unused94>thought": ("<unused95>",),
    "<unused94>": ("<unused95>",),
    # fine-tunes of Gemma, which close it in three ways
    "<start_of_thought>": _THOUGHT_CLOSES,
    # OpenThoughts, Sky-T1 (Open WebUI's table)
    "<|begin_of_thought|>": ("<|end_of_thought|>",),
    # Kimi-VL, Kimi-Dev (Open WebUI's table)
    "◁think▷": ("◁/think▷",),
    # Command A Reasoning, North (ollama/ollama model/parsers/cohere.go)
    "<|start_thinking|>": ("<|end_thinking|>",),
    # Apertus (vllm-project/vllm vllm/reasoning/apertus_reasoning_parser.py)
    "<|inner_prefix|>": ("<|inner_suffix|>",),
}
"""What stands before a thought, and what may stand after it; in lower case. A dict: a named tuple
takes 0.1 ms to create, which every `orch run` would pay."""
WRAPPERS = {
    # Command A and North (cohere.go), OpenThoughts: what stands around the answer itself. <answer>
    # (Hunyuan) and <response> (ERNIE) are not here: people ask for such tags in their own prompts
    "<|start_response|>": "<|end_response|>",
    "<|start_text|>": "<|end_text|>",
    "<|begin_of_solution|>": "<|end_of_solution|>",
}
HARMONY_HEADS = (
    "<|channel|>",
    "<|start|>",
    "<|message|>",
    "assistant<|channel|>",
    "assistant to=functions.",
    "to=functions.",
)
"""How gpt-oss's own format begins: the prompt ends with `<|start|>assistant`, which a server may
repeat. Compared as they are, since they are tokens."""

_CLOSES = frozenset(close for closes in MARKERS.values() for close in closes)
# a closing marker at the very start ends an empty thought that the prompt opened
# (sgl-project/sglang#26873); a text that begins by explaining it goes on in the same line
_EMPTY = tuple(f"{close}\n" for close in sorted(_CLOSES))
_HEAD = (*MARKERS, *WRAPPERS, *HARMONY_HEADS, *_EMPTY)
_GAP = (*MARKERS, *WRAPPERS, *_CLOSES)
_FIRST = frozenset(token[0] for token in _GAP) | {head[0] for head in HARMONY_HEADS}
"""The characters that a marker begins with: most answers begin with another one."""
_LONGEST = max(map(len, (*_HEAD, *_GAP)))
_MOST_MARKERS = 32
"""Markers that are looked for in one answer: more are not sent in earnest, and each takes a copy of
what follows it."""
_HARMONY_SIGNS = ("<|end|><|start|>", "assistantfinal", "to=functions.")


_LATER_SIGNS = (*_CLOSES, *_HARMONY_SIGNS)


def may_lack_opening(text: str) -> bool:
    """Whether a whole answer is worth a look by `unopened`: cheap, since most are not."""
    lower = text.lower()
    return any([sign in lower for sign in _LATER_SIGNS])


class ThinkingSplitter:
    """Separates a thought at the start of an answer from the answer. Markers count in any case and
    after blanks, but only at the start: later ones belong to the text. After a thought, only those
    of the same kind count, and not where a sentence goes on behind them."""

    def __init__(self) -> None:
        self._state = "head"
        self._pending = ""
        # leading blanks, joined once: they may be long and come in small chunks
        self._blank: list[str] = []
        self._closes: tuple[str, ...] = ()
        # what the first thought began with: a second one is written alike
        self._begins_with = ""
        self._markers_left = _MOST_MARKERS
        self._harmony: HarmonyParser | None = None
        self.reads_calls = False
        """Whether the text is in a form that may hold tool calls, for `take_calls`."""

    def feed(self, text: str) -> tuple[str, str]:
        """Returns the content and the thinking that `text` settles; keeps back what may become a
        marker."""
        if self._state == "answer":
            return text, ""
        if self._harmony is not None:
            return self._harmony.feed(text)
        if not self._pending and self._state in ("head", "gap") and not text.strip():
            self._blank.append(text)
            return "", ""
        self._pending += text
        return self._settle()

    def skip(self) -> str:
        """Ends the search: the server separates thinking itself, so that a marker in its content
        is text. Returns what was kept back of the content."""
        if self._state != "head":
            return ""
        return self._answer(self._kept())[0]

    def take_calls(self) -> list[dict[str, Any]]:
        """The tool calls that were written into the text (harmony) since the last time."""
        if self._harmony is None:
            return []
        calls, self._harmony.tool_calls = self._harmony.tool_calls, []
        return calls

    def flush(self) -> tuple[str, str]:
        """Returns the content and the thinking that are kept back when the stream ends."""
        if self._harmony is not None:
            return self._harmony.flush()
        content, thinking = self._outside(is_last=True) if self._is_undecided else ("", "")
        kept = self._kept() if self._state == "head" else self._pending
        self._pending = ""
        if self._state == "thinking":
            return content, thinking + kept
        return content + kept, thinking

    @property
    def _is_undecided(self) -> bool:
        """Whether a marker is pending that could still become a longer one."""
        return bool(self._pending) and self._state in ("head", "gap")

    def _settle(self) -> tuple[str, str]:
        if self._state == "thinking":
            return self._inside()
        if self._state == "wrapped":
            return self._wrapped()
        return self._outside()

    def _outside(self, *, is_last: bool = False) -> tuple[str, str]:
        """Where a marker may follow: at the start, and in the gap after a thought, whose blanks are
        dropped."""
        is_gap, head = self._state == "gap", self._pending.lstrip()
        if is_gap:
            self._pending = head
            self._blank.clear()
        token, may_grow = "", False
        if head[:1].lower() in _FIRST and self._markers_left:
            token, may_grow = _leading_token(head[:_LONGEST], _GAP if is_gap else _HEAD)
        is_marker: bool | None = None if may_grow and not is_last else True
        if token and is_gap and is_marker and self._begins_with:
            is_marker = self._is_marker_again(token, head[len(token) :], is_last=is_last)
        if is_marker is None or not head:
            return "", ""
        return self._enter(token, head) if token and is_marker else self._answer(self._kept())

    def _is_marker_again(self, token: str, after: str, *, is_last: bool) -> bool | None:
        """Whether a marker behind a thought is one of the model's, not a word of its answer; None
        while too little has come."""
        if token in WRAPPERS:
            return True
        if self._closes != MARKERS.get(token) and token not in self._closes:
            return False
        # imported here: few answers have a second marker
        from orch.providers.streams.prose import begins_thought, goes_on

        if token in MARKERS:
            is_blank = self._begins_with in (" ", "\t")
            return begins_thought(after, self._closes, after_blank=is_blank, is_last=is_last)
        mentions = goes_on(after, is_last=is_last)
        return None if mentions is None else not mentions

    def _kept(self) -> str:
        return "".join((*self._blank, self._pending))

    def _enter(self, token: str, head: str) -> tuple[str, str]:
        if token in HARMONY_HEADS:
            return self._start_harmony(self._kept())
        self._pending = head[len(token) :]
        self._markers_left -= 1
        if token in MARKERS:
            self._state, self._closes = "thinking", MARKERS[token]
        elif token in WRAPPERS:
            self._state, self._closes = "wrapped", (WRAPPERS[token],)
        else:  # a closing marker once more, or of an empty thought
            self._state = "gap"
        return self._settle() if self._pending else ("", "")

    def _inside(self) -> tuple[str, str]:
        self._begins_with = self._begins_with or self._pending[:1]
        thinking, found = self._until_close()
        if not found:
            return "", thinking
        self._state = "gap"
        content, more = self._outside() if self._pending else ("", "")
        return content, thinking + more

    def _wrapped(self) -> tuple[str, str]:
        content, found = self._until_close()
        return (content + self._answer(self._pending)[0], "") if found else (content, "")

    def _until_close(self) -> tuple[str, bool]:
        """The text before the closing marker, and whether that has come. What follows it, or may
        become it, stays pending."""
        start, end = _find_first(self._pending, self._closes)
        before, self._pending = self._pending[:start], self._pending[end:]
        return before, end > start

    def _answer(self, text: str) -> tuple[str, str]:
        self._state, self._pending = "answer", ""
        self._blank.clear()
        return text, ""

    def _start_harmony(self, text: str) -> tuple[str, str]:
        # imported when its first token is seen: few models speak it, and servers rarely leave it in
        from orch.providers.streams.harmony import HarmonyParser

        self._pending, self._state, self.reads_calls = "", "harmony", True
        self._harmony = HarmonyParser()
        return self._harmony.feed(text)


def _leading_token(head: str, tokens: tuple[str, ...]) -> tuple[str, bool]:
    """The longest of the tokens that the text begins with, and whether more text could make it a
    longer one."""
    found, may_grow, lower = "", False, head.lower()
    for token in tokens:
        folded = head if token in HARMONY_HEADS else lower
        if len(head) < len(token) and token.startswith(folded):
            may_grow = True
        elif folded.startswith(token) and len(token) > len(found):
            found = token
    return found, may_grow


def _find_first(text: str, closes: tuple[str, ...]) -> tuple[int, int]:
    """Where the first closing marker stands; without one, where the beginning of one at the end of
    the text stands, as an empty place."""
    import re  # here: an answer without markers needs no pattern

    if match := re.search("|".join(map(re.escape, closes)), text, re.IGNORECASE):
        return match.span()
    tail = text[1 - max(map(len, closes)) :].lower()
    # a marker's first character is not repeated in it
    for close in closes:
        at = tail.rfind(close[0])
        if at >= 0 and close.startswith(tail[at:]):
            return len(text) - len(tail) + at, len(text) - len(tail) + at
    return len(text), len(text)
