"""Reads the harmony format of gpt-oss where a server leaves it in the text: channels, and the tool
calls in them (pure).

A message is `<|start|>assistant<|channel|>NAME<|message|>TEXT<|end|>`. The channel `analysis` is
thinking; `final`, and `commentary` to nobody, which OpenAI means to be shown (a preamble), are
content; a message with a recipient, before or after the channel, is a tool call. Messages of other
roles (a tool result or a user's turn that the model makes up) count as thinking. The format:
github.com/openai/harmony; the deviations: ollama/ollama harmony/harmonyparser_test.go,
lablup/mlxcel#658, vllm-project/vllm.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, NamedTuple

from orch.providers.streams.harmony_calls import CallText, is_call, is_object, tool_call
from orch.providers.streams.lines import is_truncated
from orch.providers.streams.prose import LOOKAHEAD, goes_on, goes_on_unquoted

MAX_HEADER_CHARS = 512
"""From `<|start|>` to `<|message|>`: names of tools have up to 64."""
MAX_HEADER_WORDS = 2
_MESSAGE = "<|message|>"
_STARTS = ("<|start|>", "<|channel|>", _MESSAGE)
# <|eom|> and <|eot|>: models that took over the form with other ends (ollama/ollama glimmer.go)
_ENDS = ("<|end|>", "<|return|>", "<|call|>", "<|eom|>", "<|eot|>")
_NEXT = ("<|start|>assistant",)
_LONGEST = len(_NEXT[0])
_CONTENT_ENDS = re.compile("|".join(map(re.escape, (*_ENDS, *_NEXT))))
# thinking and calls end where a message begins, too: models leave the end out
_OTHER_ENDS = re.compile("|".join(map(re.escape, (*_ENDS, "<|start|>", "<|channel|>"))))
_TOKENS = (*_STARTS, *_ENDS, *_NEXT)
_HEADER_TOKENS = re.compile(r"<\|(?:start|constrain)\|>")
_HEADER = re.compile(
    r"\s*(?:[\w\-.:=/$+,# ]|<\|(?:start|channel|constrain)\|>)*(?:<(?:\|\w*)?\|?)?"
)
_THOUGHT_CHANNELS = ("analysis", "thinking", "thought", "reasoning")
_HEAD_WORDS = frozenset(
    {"assistant", "user", "system", "developer", "tool", "commentary", "final", "json", "code"}
    | set(_THOUGHT_CHANNELS)
)
"""Roles, channels and constraints."""
_TO_NOBODY = ("", "user", "all", "assistant")


class _Header(NamedTuple):
    """The head of a message."""

    role: str = "assistant"
    channel: str = "final"
    recipient: str = ""

    @property
    def kind(self) -> str:
        """What the text is: content, thinking or call."""
        if self.role != "assistant" or self.recipient == "self":
            return "thinking"
        if self.recipient not in _TO_NOBODY:
            return "call"
        return "thinking" if self.channel in _THOUGHT_CHANNELS else "content"


class HarmonyParser:
    """Parses an answer in harmony, in pieces of any size. What is not harmony after all is
    content, unchanged."""

    def __init__(self, *, in_analysis: bool = False) -> None:
        self.tool_calls: list[dict[str, Any]] = []
        """The calls that are complete, in OpenAI's form."""
        self._pending = ""
        self._state = "body" if in_analysis else "header"
        self._head = _Header(channel="analysis") if in_analysis else None
        self._call: CallText | None = None
        self._is_last, self._follows_strings = False, True
        self._gap: list[str] = []
        """What stood after a message: its end marker and blanks."""
        self._parts: dict[str, list[str]] = {"content": [], "thinking": []}
        self._begun: set[str] = set()
        self._is_new = False

    def feed(self, text: str) -> tuple[str, str]:
        """Returns the content and the thinking that `text` settles."""
        text, at, state = self._pending + text, 0, ""
        after = 0
        while after > at or state != self._state:
            at, state = after, self._state
            after = _STEPS[state](self, text, at)
        self._pending = text[at:]
        return self._take()

    def flush(self) -> tuple[str, str]:
        """Returns what is kept back at the end. A call that was cut is handed on as it is, a head
        that was cut is dropped."""
        self._is_last = True
        parts = [self.feed("")]
        if self._call is not None and (rest := self._call.cut()):
            self._follows_strings, rest, self._pending = False, rest + self._pending, ""
            parts += [self.feed(rest)]
        pending, self._pending = self._pending, ""
        if self._head is None:
            self._put("content", pending)
        elif self._state != "header" and pending:
            self._resume()
            self._put(self._head.kind, pending)
        self._end_call()
        content, thinking = zip(*parts, self._take(), strict=True)
        return "".join(content), "".join(thinking)

    # ------------------------------------------------------------ steps: where the next one begins

    def _header(self, text: str, at: int) -> int:
        end = text.find(_MESSAGE, at, at + MAX_HEADER_CHARS + len(_MESSAGE))
        head = text[at : end if end >= 0 else at + MAX_HEADER_CHARS + 1]
        if len(head) > MAX_HEADER_CHARS or not _HEADER.fullmatch(head) or _has_words(head):
            return self._no_header(text, at)
        body = end + len(_MESSAGE)
        is_prose = None
        if end >= 0:
            is_prose = _is_prose(head, text[body : body + LOOKAHEAD], is_last=self._is_last)
        if is_prose is not False:
            return at if is_prose is None else self._no_header(text, at)
        self._end_call()
        self._head, self._state = _parse_header(head), "body"
        self._call = None
        if self._head.kind == "call":
            self._call = CallText(follows_strings=self._follows_strings)
        self._gap, self._is_new = [], True
        return body

    def _no_header(self, text: str, at: int) -> int:
        """The message before it goes on, if there is one; else the whole text is no harmony."""
        if self._head is None:
            self._head, self._state = _Header(), "text"
            return at
        self._resume()
        self._put(self._head.kind, text[at : at + 2])
        return at + 2

    def _body(self, text: str, at: int) -> int:
        assert self._head is not None
        kind = self._head.kind
        ends = _CONTENT_ENDS if kind == "content" else _OTHER_ENDS
        match = ends.search(text, at)
        settled = match.start() if match else _settled(text, at)
        self._put(kind, text[at:settled])
        if not match:
            return settled
        if self._call is not None and self._call.takes(match[0]):
            return match.end()
        if match[0] not in _ENDS:
            self._state = "header"
            return settled
        self._end_call()
        self._gap, self._state = [match[0]], "between"
        return match.end()

    def _between(self, text: str, at: int) -> int:
        """After the end of a message: blanks, further ends, the next one. Anything else shows that
        the end was a part of the text, or that an answer follows without a head."""
        rest = text[at : at + _LONGEST]
        if not rest:
            return at
        if rest[0].isspace():
            self._gap.append(rest[0])
            return at + 1
        if rest.startswith(_STARTS):
            self._state = "header"
            return at
        for end in _ENDS:
            if rest.startswith(end):
                self._gap.append(end)
                return at + len(end)
        if not any(token.startswith(rest) for token in _TOKENS):
            self._resume()
        return at

    def _text(self, text: str, at: int) -> int:
        self._put("content", text[at:])
        return len(text)

    # ------------------------------------------------------------ messages

    def _resume(self) -> None:
        """Goes on with the message whose end was none; after a thought or a call it is content."""
        assert self._head is not None
        if self._gap and self._head.kind == "content":
            self._put("content", "".join(self._gap))
        elif self._gap:
            self._head, self._is_new = _Header(), True
        self._gap, self._state = [], "body"

    def _end_call(self) -> None:
        call, self._call = self._call, None
        if call is None or self._head is None:
            return
        name, text = self._head.recipient, call.text.strip()
        if is_call(name, text):
            self.tool_calls.append(tool_call(name, text))
        else:
            self._put("thinking", text)

    def _put(self, kind: str, text: str) -> None:
        if not text:
            return
        if kind == "call" and self._call is not None:
            self._call.add(text)
            return
        if self._is_new and kind in self._begun:
            text = f"\n\n{text}"
        self._is_new = False
        self._begun.add(kind)
        self._parts[kind].append(text)

    def _take(self) -> tuple[str, str]:
        content, thinking = self._parts["content"], self._parts["thinking"]
        self._parts = {"content": [], "thinking": []}
        return "".join(content), "".join(thinking)


_STEPS = {
    "header": HarmonyParser._header,
    "body": HarmonyParser._body,
    "between": HarmonyParser._between,
    "text": HarmonyParser._text,
}


def _settled(text: str, at: int) -> int:
    """Where what may become a marker begins at the end of the text; the end, without one."""
    start = text.rfind("<", max(at, len(text) - _LONGEST))
    if start >= 0 and any(token.startswith(text[start:]) for token in _TOKENS):
        return start
    return len(text)


def _has_words(head: str) -> bool:
    """Whether a sentence stands there: a role or channel is one word, with a constraint two."""
    for part in _HEADER_TOKENS.sub(" ", head).split("<|channel|>"):
        if sum(not word.startswith(("to=", "<")) for word in part.split()) > MAX_HEADER_WORDS:
            return True
    return False


def _parse_header(head: str) -> _Header:
    """The role, the last channel and the recipient, wherever it stands: models put it before the
    channel, after it, or name two channels."""
    before, *channels = _HEADER_TOKENS.sub(" ", head).split("<|channel|>")
    named = [words for channel in channels if (words := channel.split())]
    roles = [word for word in before.split() if not word.startswith("to=")]
    recipients = [
        word[3:] for words in (before.split(), *named) for word in words if word.startswith("to=")
    ]
    return _Header(
        roles[0] if roles else "assistant",
        named[-1][0] if named else "final",
        recipients[0] if recipients else "",
    )


def _is_prose(head: str, after: str, *, is_last: bool) -> bool | None:
    """Whether what looks like the head of a message is a sentence about its tokens: it has other
    words than those of a head, or none, and goes on behind it. None while too little of `after` has
    come."""
    words = _HEADER_TOKENS.sub(" ", head).replace("<|channel|>", " ").split()
    if words and all(word in _HEAD_WORDS or word.startswith("to=") for word in words):
        return False
    return False if _parse_header(head).recipient else goes_on(after, is_last=is_last)


# ---------------------------------------------------------------- without a head


_ANALYSIS, _FINAL = "analysis", re.compile("assistantfinal")
_BEFORE_WORDS = tuple(" \t\"'`(“«")
_MOST_MENTIONS = 20
_CALL = re.compile(
    r"(?:\A\s*|assistant)(?:commentary)? ?to=functions\.([\w-]{1,64}) ?(?:json|code)?\s?(?=\{)"
)
_NEXT_HEAD = re.compile(
    r"<\|end\|><\|start\|>assistant"
    r"(?:[\w\-.:=/$+,# ]|<\|(?:channel|constrain)\|>){0,512}<\|message\|>"
)


def split_without_head(text: str) -> tuple[str, str, list[dict[str, Any]]] | None:
    """Content, thinking and calls of a whole answer that begins in its analysis, since the prompt
    ended with its head, or whose tokens the server dropped and left the words between
    (`analysisThey greet.assistantfinalHello`: Augustas11/macprovider#743,
    raullenchai/Rapid-MLX#480); None for any other."""
    if (head := _NEXT_HEAD.search(text)) and not _is_quoted(text[: head.start()]):
        parser = HarmonyParser(in_analysis=True)
        pieces = [parser.feed(text), parser.flush()]
        content, thinking = ("".join(each) for each in zip(*pieces, strict=True))
        return content, thinking, parser.tool_calls
    if parts := _bare_parts(text):
        return *parts, []
    if not (match := _CALL.search(text)):
        return None
    thought, arguments = _bare_analysis(text[: match.start()]), text[match.end() :].strip()
    if thought is None or not is_object(arguments):
        return None
    return "", thought, [tool_call(match[1], arguments)]


def _is_quoted(before: str) -> bool:
    """Whether what follows stands in code, in quotation marks or in a string of JSON."""
    if before.count("`") % 2 or (before.endswith('"') and before.count('"') % 2):
        return True
    return is_truncated(before.lstrip().encode("utf-8", "replace"))


def _bare_parts(text: str) -> tuple[str, str] | None:
    """Content and thinking around the bare `assistantfinal`, where that is no word of a
    sentence."""
    for match in islice(_FINAL.finditer(text), _MOST_MENTIONS):
        before, answer = text[: match.start()], text[match.end() :]
        if before[-1:] not in _BEFORE_WORDS and not goes_on_unquoted(answer):
            thought = _bare_analysis(before)
            return None if thought is None else (answer, thought)
    return None


def _bare_analysis(text: str) -> str | None:
    """The thought after the bare name of its channel; None if the text does not begin with it, or
    begins with a sentence about an analysis."""
    text = text.lstrip()
    if not text:
        return ""
    thought = text.removeprefix(_ANALYSIS)
    return None if thought == text or goes_on_unquoted(thought) else thought
