"""Continues an answer that broke off: what the next model is asked, and how its text is joined to
the text before (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from orch.text.prompt import message_text
from orch.types import Message

TAIL_CHARS = 300
"""The end of the text before in which a repetition is looked for."""
MAX_REPEATED_WORDS, MAX_REPEATED_CHARS = 5, 60
"""How much of the text before the next model is asked to repeat."""
MIN_UNASKED_CHARS = 24
"""A shorter repetition that nobody asked for may belong to the text, such as the next row of a
list."""
MAX_HELD_CHARS = 2 * TAIL_CHARS
_FENCE = "```"
_CLOSING = {"“": "”", '"': '"', "«": "»", "»": "«", "`": "`", "'": "'"}
_LEADING = " \t\r\n….\"'“”»«`"
"""What models put before the words that they repeat."""


def with_partial(
    messages: Sequence[Message], partial: str, *, prefills: bool
) -> tuple[list[Message], str]:
    """The conversation with the partial answer to continue, and that answer: the last message
    where the server `prefills`, else before a user's turn that asks to go on. A last message of the
    assistant is the client's own beginning of the answer."""
    before = list(messages)
    last: Message = {"role": "assistant", "content": ""}
    if before[-1].get("role") == "assistant" and not before[-1].get("tool_calls"):
        last = before.pop()
    text = message_text(last) + partial
    more = [] if prefills else [continue_message(text)]
    return [*before, {**last, "content": text}, *more], text


def continue_message(partial: str) -> Message:
    """The user's turn that asks to go on. It asks for the last words again: only they tell whether
    a word was cut, since no model begins its turn with a blank."""
    words = last_words(partial)
    return {
        "role": "user",
        "content": "Your answer broke off. Continue it exactly where it stopped: begin with its"
        f" last words, “{words}”, and go on with what follows them. Repeat nothing else, and add no"
        " introduction.",
    }


def last_words(text: str) -> str:
    """The last words of the last line."""
    line = text.rstrip()[-MAX_REPEATED_CHARS:].rpartition("\n")[2]
    return " ".join(line.split(" ")[-MAX_REPEATED_WORDS:]).strip()


class ContinuationJoiner:
    """Joins a continuation to the text before, piece by piece: takes out what it repeats of that
    text, and puts in a blank that is missing between two words.

    `prefilled`: the server was asked to go on within the answer, so that a word may go on where the
    text ends. Two lower-case letters are joined as they are: that the word was cut is as likely,
    and a model that goes on with a new word was asked to repeat the words before it.
    """

    def __init__(self, before: str, *, prefilled: bool = False) -> None:
        self._before, self._prefilled = before, prefilled
        self._whole = before.strip()
        self._tail = self._whole[-TAIL_CHARS:]
        self._asked = last_words(before)
        self._held: list[str] = []
        self._gap = ""
        """The blanks at the end of the text before that the continuation may still repeat."""
        self._matched = 0
        """How many characters of the whole text before were repeated from its beginning."""
        self._restarts = len(self._whole) > 3 or (len(self._whole) > 2 and self._whole.isalpha())
        self._is_done = not self._whole

    def feed(self, text: str) -> str:
        """The text to show of the next piece; empty while it may repeat the text before."""
        if self._is_done or not text:
            return self._after_gap(text)
        if self._restarts:
            return self._compare_with_beginning(text)
        self._held.append(text)
        return self._decide(at_end=False)

    def flush(self) -> str:
        """The text that was held back, at the end of the continuation."""
        return "" if self._is_done else self._decide(at_end=True)

    def _compare_with_beginning(self, text: str) -> str:
        """Whether the answer is given again from its first word."""
        piece = text if self._matched else text.lstrip()
        left = len(self._whole) - self._matched
        self._held.append(text)
        is_blank = not self._matched and len(self._held) >= MAX_HELD_CHARS
        if is_blank or not self._whole.startswith(piece[:left], self._matched):
            self._restarts = False
            return self._decide(at_end=False)
        self._matched += min(len(piece), left)
        if len(piece) <= left:
            return ""
        self._is_done = True
        return self._without_gap(piece[left:])

    def _decide(self, *, at_end: bool) -> str:
        held = "".join(self._held)
        head = held.lstrip(_LEADING)
        self._held = [held]
        is_open = len(head) < 2 or head in self._tail
        if is_open and not at_end and len(held) < MAX_HELD_CHARS:
            return ""
        self._is_done = True
        if at_end and self._restarts and self._matched == len(self._whole):
            return ""
        repeated = self._repeated(head)
        if not repeated:
            return self._with_blank(held)
        closing = self._closing_quote(held[: len(held) - len(head)].strip()[-1:], repeated)
        return self._without_gap(head[repeated:].removeprefix(closing))

    def _closing_quote(self, opening: str, repeated: int) -> str:
        """The mark that ends the repeated words where the model put them in quotation marks that
        the text before does not have."""
        is_ours = self._tail[: len(self._tail) - repeated].endswith(opening)
        return "" if is_ours else _CLOSING.get(opening, "")

    def _repeated(self, head: str) -> int:
        """How many of its first characters repeat the end of the text before."""
        for size in range(min(len(head), len(self._tail)), 0, -1):
            if self._tail.endswith(head[:size]) and self._is_repetition(head, size):
                return size
        return 0

    def _is_repetition(self, head: str, size: int) -> bool:
        text, start = head[:size], len(self._tail) - size
        if start > 0 and self._tail[start - 1].isalnum() and text[0].isalnum():
            return False  # it begins within a word
        has_words = any(each.isspace() for each in text)
        if self._prefilled:
            return has_words and size >= MIN_UNASKED_CHARS
        if text == self._asked:
            return True
        is_cut = head[size : size + 1].isalnum()
        has_letters = any(each.isalpha() for each in text)
        return has_letters and (has_words or size > 2 or (size > 1 and not is_cut))

    def _without_gap(self, rest: str) -> str:
        """What follows the repeated words, without the blanks that the text before has already."""
        self._gap = self._before[len(self._before.rstrip()) :]
        return self._after_gap(rest)

    def _after_gap(self, text: str) -> str:
        while self._gap and text and self._gap[0] == text[0]:
            self._gap, text = self._gap[1:], text[1:]
        if text:
            self._gap = ""
        return text

    def _with_blank(self, text: str) -> str:
        if not text or is_in_code(self._before):
            return text
        if self._before[-1] == " " and text[0] == " " and not text[1:2].isspace():
            return text[1:]
        return f" {text}" if lacks_blank(self._before, text, self._prefilled) else text


def lacks_blank(before: str, text: str, prefilled: bool = False) -> bool:
    """Whether a new word or sentence begins in `text`, which two texts side by side hide."""
    last, first = before[-1:], text[:1]
    if not first.isalpha() or not last or last.isspace():
        return False
    if last in ",;:)”»":
        return not prefilled  # a,b and std::vector
    follows_up = text[1:2].islower() or not text[1:2].isalnum()
    if not (first.isupper() and follows_up):
        return False
    if not last.isalnum():
        return last in ".!?…"
    word = before.split()[-1] if len(before) < TAIL_CHARS else before[-TAIL_CHARS:].split()[-1]
    return not (prefilled and word[:1].isupper())  # Git and Hub, Java and Script


def is_in_code(text: str) -> bool:
    """Whether a Markdown text ends within code."""
    line = text[text.rfind("\n") + 1 :]
    return text.count(_FENCE) % 2 == 1 or line.replace(_FENCE, "").count("`") % 2 == 1
