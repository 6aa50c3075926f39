"""Parses a task: its kind of question, its tense, and its words as concepts with their
positions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from orch.text.equivalence.function_words import (
    ARTICLES,
    CONJUNCTIONS,
    DEFINITE,
    DEMONSTRATIVES,
    DROPPED,
    DROPPED_ES,
    FUTURE,
    INDEFINITE,
    LETTER_LABELS,
    ORDER_WORDS,
    PARTICLES,
    PAST,
    PHRASAL,
    POSSESSIVES,
    PREPOSITIONS,
    SYNONYMS,
)
from orch.text.equivalence.lexicon import cognate_stem, listed_form, lookup, unit_forms
from orch.text.equivalence.question_patterns import split_question
from orch.text.equivalence.sentence_patterns import normalize_wording
from orch.text.equivalence.tokenize import is_spanish, normalize_token, tokenize, without_accents
from orch.text.equivalence.vocabulary import COMPARATIVES, IMPLIED_BY, TECH

_QUOTE = r"`+([^`]+)`+|\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|‘([^’]+)’|(?<!\w)'([^']+)'(?!\w)"
IMPERSONAL = {"howto", "can", "should", "write", "give"}
"""Kinds in which `my` has no meaning: how do I lock my screen, how do I lock a screen."""


@dataclass(frozen=True, slots=True)
class Word:
    """A concept in its position: the kind of word, the preposition before it, its noun phrase, and
    its group of words joined by `and` or `or`."""

    concept: str
    kind: str  # verb, adjective, noun, tech, number, quote, code, name, fixed or word
    role: str = ""
    phrase: int = 0
    row: int = 0
    plural: bool = False


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """A parsed task: everything that two equivalent tasks have in common."""

    kind: str
    tense: str
    spanish: bool
    words: tuple[Word, ...]
    article: str
    names: frozenset[str]
    things: frozenset[str]

    def concepts(self, *kinds: str) -> Counter[str]:
        """How often each concept occurs, among words of these kinds or of all."""
        return Counter(word.concept for word in self.words if not kinds or word.kind in kinds)


@lru_cache(maxsize=256)
def parse_task(text: str) -> ParsedTask:
    """Parses a task."""
    quotes: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        quotes.append(
            " ".join(next(group for group in match.groups() if group is not None).split())
        )
        return f' "{len(quotes) - 1} '

    raw = re.sub(_QUOTE, set_aside, text.replace("\x00", " ")).replace("’", "'").split()
    tokens = tokenize(raw)
    spanish = is_spanish(text, tokens)
    folded = [normalize_token(token, at, tokens, spanish) for at, token in enumerate(tokens)]
    plain = normalize_wording(" ".join(folded).strip(" ,"))
    kind, rest = split_question(plain)
    words = tuple(
        word
        for word in _words_of(kind, rest.split(), quotes, spanish)
        if not (spanish and kind == "howto" and word.concept == "i")
    )
    names = frozenset(
        without_accents(token)
        for at, token in enumerate(tokens[1:], 1)
        if token[:1].isupper() and tokens[at - 1].lower() not in ARTICLES
    )
    things = frozenset(
        without_accents(token)
        for at, token in enumerate(tokens[1:], 1)
        if token.islower() and tokens[at - 1].lower() in {"a", "an", "un", "una"}
    )
    return ParsedTask(kind, _tense_of(plain.split()), spanish, words, _article(rest), names, things)


def with_cognates(task: ParsedTask) -> ParsedTask:
    """The task with unknown words replaced by the common root of English and Spanish: system and
    sistema."""
    return replace(
        task,
        words=tuple(
            replace(word, concept=cognate_stem(word.concept)) if word.kind == "word" else word
            for word in task.words
        ),
    )


def _article(rest: str) -> str:
    """Whether the task asks about the one, one of many, or does not say."""
    first = rest.partition(" ")[0]
    return "the" if first in DEFINITE else "a" if first in INDEFINITE else ""


def _tense_of(tokens: list[str]) -> str:
    """past, future or present: by auxiliaries, known verbs and Spanish accents."""
    if any(token in FUTURE or token.endswith(">") for token in tokens):
        return "future"
    return (
        "past"
        if any(token in PAST or token.endswith("<") or lookup(token)[2] for token in tokens)
        else "present"
    )


def _words_of(kind: str, tokens: list[str], quotes: list[str], spanish: bool) -> Iterator[Word]:
    """The words that carry meaning, with their positions."""
    words: list[Word] = []
    role, degree, phrase, row, last, new, joined = "", "", 0, 0, -1, True, False
    silent = (
        (DROPPED_ES if spanish else DROPPED)
        | (POSSESSIVES if kind in IMPERSONAL else set())
        | (DEMONSTRATIVES if quotes else set())
    )
    for at, token in enumerate(tokens):
        before, after = tokens[at - 1] if at else "", tokens[at + 1] if at + 1 < len(tokens) else ""
        letter = len(token) == 1 and (
            before in LETTER_LABELS
            or not after
            or (token in CONJUNCTIONS and token != "," and not spanish)
        )
        measured = before[:1].isdigit() and token in unit_forms()
        if not letter and not measured and token in PREPOSITIONS and after:
            role, new, joined = PREPOSITIONS[token], True, False
            if not words:
                words.append(Word(PARTICLES.get(token, token), "fixed"))
            elif (
                words[-1].kind == "verb"
                and at == last + 1
                and role in {"in", "of", "for"}
                and (after not in TECH or words[-1].concept in PHRASAL)
            ):
                role = "+" + role
        elif not letter and token in CONJUNCTIONS:
            new = joined = True
            if CONJUNCTIONS[token] == "or":
                words.append(Word("or", "joint"))
        elif not letter and not measured and token in silent:
            new = True
        elif token in {"most", "more", "less"} and lookup(after)[1] == "adjective":
            degree = token + "-"
        else:
            word = Word(unit_forms()[token], "unit") if measured else _word(token, quotes)
            if spanish and (person := _person(token)):
                words.append(Word(person, "word", "", phrase + 1, row + 1))
            acts = word.kind in {"verb", "negation", "fixed"}
            new, role = new or acts, "" if acts else role
            phrase, row = phrase + new, row + (new and (acts or not joined))
            words.append(
                replace(word, concept=degree + word.concept, role=role, phrase=phrase, row=row)
            )
            new, joined, degree, last = acts, False, "", at
    return _trimmed(words)


def _person(token: str) -> str:
    """I or you, from the ending of a Spanish verb (in `how do I`, cómo borro, it is ignored)."""
    if not listed_form(token).endswith("-") or lookup(token)[1] != "verb":
        return ""
    return (
        "i"
        if token.endswith("o") and not token.endswith(("ado", "ido", "ndo"))
        else "you"
        if token.endswith(("as", "es"))
        else ""
    )


def _trimmed(words: list[Word]) -> Iterator[Word]:
    """Removes words that others imply, and joins a number with its unit."""
    concepts = {word.concept for word in words}
    held: Word | None = None
    for at, word in enumerate(words):
        quoted = any(
            each.kind == "quote"
            and each.phrase - word.phrase < 2
            and each.role in {"", "of", "de", word.role}
            for each in words[at + 1 :]
        )
        if IMPLIED_BY.get(word.concept, set()) & concepts or (
            word.concept in {"sentence", "text"} and quoted
        ):
            continue
        if held is not None:
            joined = word.kind == "unit"
            yield replace(held, concept=f"{held.concept} {word.concept}") if joined else held
            held = None
            if joined:
                continue
        if word.kind == "number":
            held = word
        else:
            yield word
    if held is not None:
        yield held


def _word(token: str, quotes: list[str]) -> Word:
    """A token as a word, without its position."""
    if token.startswith('"') and token[1:].isdigit() and int(token[1:]) < len(quotes):
        return Word(f'"{quotes[int(token[1:])]}"', "quote")
    if token[:1].isdigit():
        return Word(re.sub(r"(?<=\d),(?=\d{3}\b)", "", token), "number")
    if (bigger := COMPARATIVES.get(token)) is not None:
        return Word("more-" + bigger, "adjective")
    if (
        token.endswith("est")
        and (base := COMPARATIVES.get(token.removesuffix("st") + "r")) is not None
    ):
        return Word("most-" + base, "adjective")
    token = SYNONYMS.get(token, token)
    if token in POSSESSIVES | DEMONSTRATIVES:
        return Word("my" if token in POSSESSIVES else "this", "word")
    if token in ORDER_WORDS:
        return Word(token, "negation" if ORDER_WORDS[token] == "negation" else "fixed")
    concept, kind, _, plural = lookup(token)
    return Word(concept, kind, plural=plural)
