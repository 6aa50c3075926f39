"""Grades an answer by the checks of its task: a table of pure functions, one for each form in
`suite.CHECK_FORMS`.

Thoughts, end marks and a repeated prompt are removed first; an empty answer, a refusal and a
repetitive text score 0.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from orch.bench.answer_json import find_json, value_at_path
from orch.bench.answer_parsing import (
    BULLET,
    extract_code,
    extract_python,
    final_number,
    find_definition,
    labelled_answer,
    listed_items,
    normalized,
    parse_python,
    plain_with_bullets,
    visible_answer,
    without_markdown,
)
from orch.bench.sandbox import SandboxResult
from orch.bench.suite import (
    READ_CHARS,
    READ_LINE_CHARS,
    Exact,
    Items,
    JsonSchema,
    Number,
    Regex,
    Rubric,
    SuiteTask,
    UnitTests,
    phrase_pattern,
)
from orch.config import regex_limits
from orch.execution.json_schema import first_violation
from orch.text.language import detect_language, fold, split_words

ExecuteCode = Callable[[str, str], SandboxResult]
"""Runs code and its tests: `sandbox.run`."""
PASS_SCORE = 0.99


@dataclass(frozen=True, slots=True)
class Grade:
    """A score from 0 to 1, the reason, and the method: graded, executed, or static for code that was only
    parsed. A static 1 does not mean that the code works."""

    score: float
    why: str
    how: str = "graded"

    @property
    def passed(self) -> bool:
        """Whether every condition is met."""
        return self.score >= PASS_SCORE


@dataclass(frozen=True, slots=True)
class _Submission:
    """The visible answer, the language to read it in, and the function that runs its code, if any."""

    text: str
    lang: str
    execute: ExecuteCode | None = None


def grade(task: SuiteTask, answer: str, execute: ExecuteCode | None = None) -> Grade:
    """Grades an answer; without `execute`, code is graded by its form. Raises what `execute` raises."""
    text = _truncate(visible_answer(answer, task.prompt))
    if not text:
        return Grade(0.0, "no answer")
    if _REFUSAL.match(fold(text).lstrip("*# ")):
        return Grade(0.0, "it refused")
    asked = _Submission(text, task.lang, execute)
    grades = [GRADERS[type(check)](check, asked) for check in task.checks]
    hows = {each.how for each in grades}
    how = next(how for how in ("static", "executed", "graded") if how in hows)
    return Grade(
        fmean(each.score for each in grades),
        "; ".join(dict.fromkeys(each.why for each in grades)),
        how,
    )


ANSWER_CHARS = 20_000
"""Characters of an answer that are read, half from each end: the suite's longest good answers have
3,000."""


def _truncate(text: str) -> str:
    return (
        text
        if len(text) <= ANSWER_CHARS
        else f"{text[: ANSWER_CHARS // 2]}\n{text[-ANSWER_CHARS // 2 :]}"
    )


_REFUSAL = re.compile(
    r"(?:i'?m |i am |i )?(?:sorry|apologi[sz]e|lo siento|as an ai|como (?:una"
    r" )?(?:ia|inteligencia)|i can'?t|i cannot|i am unable|i'm unable|no puedo)\b"
    r"[^.\n]{0,60}?\b(?:assist|help|fulfil|comply|answer|provide|complete|do"
    r" that|ayudar|responder|cumplir|proporcionar|realizar|satisfacer)"
)


# ---------------------------------------------------------------- short answers

_COPULA = r"(?:\b(?:is|are|was|were|es|son|fue|era|sera|seria)\b|[:=→])"
_ARTICLE = r"(?:(?:the|an?|el|la|los|las|un|una)\s+)?"


def _exact(check: Exact, answer: _Submission) -> Grade:
    wanted = [normalized(each) for each in check.exact]
    label = labelled_answer(answer.text)
    if normalized(answer.text) in wanted or (label is not None and normalized(label) in wanted):
        return Grade(1.0, "the expected answer")
    if check.answer_only:
        return Grade(0.0, f"not {check.exact[0]!r}")
    for sentence in [normalized(label)] if label is not None else _ends_of(answer.text):
        if any(
            _states(sentence, each) or (label is not None and _opens(sentence, each))
            for each in wanted
        ):
            rival = next((each for each in check.rivals if _has_phrase(sentence, each)), "")
            return (
                Grade(0.0, f"it names {rival!r} beside it")
                if rival
                else Grade(1.0, "it concludes with the expected answer")
            )
    return Grade(0.0, f"it does not conclude with {check.exact[0]!r}")


def _ends_of(text: str) -> list[str]:
    """The last and the first sentence, normalized."""
    sentences = [
        sentence
        for each in re.split(r"\n+|(?<=[.!?])\s+", without_markdown(text))
        if (sentence := normalized(each))
    ]
    return sentences[-1:] + sentences[:1]


def _states(sentence: str, wanted: str) -> bool:
    """Whether a normalized sentence says `... is WANTED`, `WANTED is ...` or `WANTED, ...`, and not the
    opposite."""
    name = re.escape(wanted)
    ends = rf"{_COPULA}\s+{_ARTICLE}[\"']?{name}$"
    opens = rf"{name}(?:[\"']?\s*[,;:(—–]|\s+-|\s+(?:is|was|are|were|es|fue|son|because|porque|ya)\b(?!\s+(?:not|no|never|nunca)\b))"
    return sentence == wanted or bool(re.search(ends, sentence) or re.match(opens, sentence))


def _opens(sentence: str, wanted: str) -> bool:
    """Whether the text after `answer:` starts with the word and does not negate it at once."""
    return (
        re.match(
            rf"{re.escape(wanted)}\b(?!\s+(?:\w+\s+)?(?:not|no|never|nunca|or|o)\b|\s+\w+n't)",
            sentence,
        )
        is not None
    )


def _regex(check: Regex, answer: _Submission) -> Grade:
    text = extract_code(answer.text) if check.inside == "code" else without_markdown(answer.text)
    found = re.search(check.regex, text[:READ_CHARS])
    return Grade(1.0, "it matches") if found else Grade(0.0, f"it does not match {check.regex}")


def _number(check: Number, answer: _Submission) -> Grade:
    values = final_number(answer.text, answer.lang)
    if not values:
        return Grade(0.0, "it has no number")
    near = any(
        abs(value - check.number) <= check.tolerance + 1e-9 * max(1.0, abs(check.number))
        for value in values
    )
    return (
        Grade(1.0, "the expected number")
        if near
        else Grade(0.0, f"{values[0]:g} instead of {check.number:g}")
    )


# ---------------------------------------------------------------- sets and JSON


def _items(check: Items, answer: _Submission) -> Grade:
    named, places = listed_items(answer.text), []
    for thing in named:
        places.append(
            next(
                (
                    i
                    for i, names in enumerate(check.items)
                    if any(_is_thing(thing, normalized(name)) for name in names)
                ),
                -1,
            )
        )
    found = list(dict.fromkeys(place for place in places if place >= 0))
    if not found:
        return Grade(0.0, f"none of the {len(check.items)} expected things")
    right = _longest_rise(found) if check.ordered else len(found)
    recall, precision = right / len(check.items), right / (len(found) + places.count(-1))
    score = recall if check.extra == "allow" else 2 * recall * precision / (recall + precision)
    return Grade(score, f"{right} of {len(check.items)} expected things, {places.count(-1)} others")


def _longest_rise(places: list[int]) -> int:
    best = [0] * len(places)
    for i, place in enumerate(places):
        best[i] = 1 + max((best[j] for j in range(i) if places[j] < place), default=0)
    return max(best)


def _is_thing(sentence: str, name: str) -> bool:
    return sentence == name or bool(re.match(rf"{re.escape(name)}\s*(?:[:(,;=–—→]|\s-)", sentence))


def _json(check: JsonSchema, answer: _Submission) -> Grade:
    found, value = find_json(answer.text)
    if not found:
        return Grade(0.0, "no JSON")
    fault = first_violation(check.json_schema, value, pattern_chars=regex_limits.READ_CHARS)
    wrong = [fault] if fault else []
    wrong += [
        f"{path} is not {wanted!r}"
        for path, wanted in check.equals.items()
        if not _equal(*value_at_path(value, path), wanted)
    ]
    return Grade(1 - len(wrong) / (1 + len(check.equals)), "; ".join(wrong) or "the expected JSON")


def _equal(found: bool, value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return found and normalized(value) == normalized(wanted)
    return bool(found and value == wanted and isinstance(value, bool) == isinstance(wanted, bool))


# ---------------------------------------------------------------- code


def _tests(check: UnitTests, answer: _Submission) -> Grade:
    python = check.language == "python"
    code = (
        extract_python(answer.text, check.entry)
        if python
        else _unwrapped(check.language, answer.text)
    )
    fault = _code_fault(check, code)
    if fault:
        return Grade(0.0, fault, "static" if answer.execute is None else "graded")
    if answer.execute is None:
        return Grade(1.0, "it looks complete; it was not run", "static")
    outcome = answer.execute(code if python else f"answer = {code!r}", check.code)
    if not outcome.total:
        return Grade(0.0, outcome.error or "no test was reached", "executed")
    why = f"{outcome.passed} of {outcome.total} tests passed"
    return Grade(
        outcome.passed / outcome.total,
        "; ".join([why, *outcome.failures[:1], outcome.error][: 2 + bool(outcome.error)]),
        "executed",
    )


def _unwrapped(kind: str, text: str) -> str:
    """The code as it would be pasted; a pattern without its r'...' or /.../."""
    code = extract_code(text, (kind, "regexp", "sqlite")).strip()
    if kind != "regex":
        return code
    return re.sub(
        r"^(?:r?(['\"])(.*)\1|/(.*)/)$",
        lambda match: match[2] if match[2] is not None else match[3],
        code,
    )


def _is_pattern(code: str) -> bool:
    try:
        re.compile(code)
    except (re.error, OverflowError, RecursionError):
        return False
    return "\n" not in code and re.search(r"[\\\[({*+?|^$]", code) is not None


_LOOKS_LIKE: dict[str, Callable[[str], object]] = {
    "sql": lambda code: re.match(
        r"(?i)(?:--[^\n]*\n\s*)*(?:select|with|insert|update|delete|create)\b", code
    ),
    "regex": _is_pattern,
    "text": bool,
}


def _code_fault(check: UnitTests, code: str) -> str:
    if check.language != "python":
        return "" if code and _LOOKS_LIKE[check.language](code) else f"it is not {check.language}"
    tree = parse_python(code)
    if tree is None:
        return "it is not valid Python"
    node = find_definition(tree, check.entry)
    if node is None:
        return f"it does not define {check.entry}"
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return (
            "it is a stub"
            if all(_is_stub(each) for each in node.body)
            else _signature_fault(node, check)
        )
    return (
        "it is a stub"
        if isinstance(node, ast.ClassDef) and all(_is_stub(each) for each in node.body)
        else ""
    )


def _is_stub(node: ast.stmt) -> bool:
    raised = ast.unparse(node) if isinstance(node, ast.Raise) else ""
    return (
        isinstance(node, ast.Pass)
        or "NotImplemented" in raised
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )


def _signature_fault(node: ast.FunctionDef | ast.AsyncFunctionDef, check: UnitTests) -> str:
    """A mismatch between the calls in the tests and the parameters."""
    arguments = node.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    for call in ast.walk(ast.parse(check.code)):
        if (
            not isinstance(call, ast.Call)
            or getattr(call.func, "id", "") != check.entry
            or any(isinstance(each, ast.Starred) for each in call.args)
        ):
            continue
        given = len(call.args) + sum(keyword.arg in names for keyword in call.keywords)
        if given < len(names) - len(arguments.defaults) or (
            len(call.args) > len(names) and not arguments.vararg
        ):
            return (
                f"{check.entry} takes {len(names)} parameters, and is called with {len(call.args)}"
            )
    return ""


# ---------------------------------------------------------------- texts

_WORD = re.compile(r"[\w'’-]*\w")


def _rubric(check: Rubric, answer: _Submission) -> Grade:
    text = plain_with_bullets(answer.text)
    if _is_repetitive(split_words(fold(text))):
        return Grade(0.0, "it repeats itself")
    wanted, limits = list(_wanted(check, text)), list(_limits(check, text))
    missed = [what for what, met in [*wanted, *limits] if not met]
    score = _share(wanted) * _share(limits)
    return Grade(
        score,
        (
            f"not met: {', '.join(missed)}"
            if missed
            else f"all {len(wanted) + len(limits)} conditions met"
        ),
    )


def _share(conditions: list[tuple[str, bool]]) -> float:
    return fmean(met for _, met in conditions) if conditions else 1.0


def _is_repetitive(words: list[str]) -> bool:
    """Whether the same six words occur four times or more."""
    most = Counter(zip(*(words[i:] for i in range(6)), strict=False)).most_common(1)
    return bool(most) and most[0][1] >= 4


def _sizes(text: str) -> dict[str, int]:
    sentences = [
        each for each in re.split(r"[.!?…]+(?:[\"”»')]*)(?:\s|$)", text) if re.search(r"\w", each)
    ]
    return {
        "words": len(_WORD.findall(text)),
        "lines": len(_lines(text)),
        "sentences": len(sentences),
        "chars": len(text),
        "sentence_words": max((len(_WORD.findall(each)) for each in sentences), default=0),
    }


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _limits(check: Rubric, text: str) -> Iterator[tuple[str, bool]]:
    for unit, size in _sizes(text).items():
        high = getattr(check, f"max_{unit}")
        if high is not None:
            yield f"at most {high} {unit}, not {size}", size <= high
    yield from (
        (f"does not name {phrase}", not _has_phrase(text, phrase)) for phrase in check.must_not
    )


def _wanted(check: Rubric, text: str) -> Iterator[tuple[str, bool]]:
    sizes = _sizes(text)
    if check.language:
        yield (
            f"in {check.language}",
            detect_language(text) == check.language
            or (detect_language(text) == "" and sizes["words"] <= 20),
        )
    for unit in ("words", "lines", "sentences"):
        low = getattr(check, f"min_{unit}")
        if low is not None:
            yield f"at least {low} {unit}, not {sizes[unit]}", sizes[unit] >= low
    yield from _edges(check, text, _lines(text))
    yield from (
        (f"names {' or '.join(group)}", any(_has_phrase(text, phrase) for phrase in group))
        for group in check.must
    )


def _edges(check: Rubric, text: str, lines: list[str]) -> Iterator[tuple[str, bool]]:
    bare = normalized(text)
    if check.starts:
        yield (
            f"starts with {check.starts[0]}",
            any(bare.startswith(normalized(each)) for each in check.starts),
        )
    if check.ends:
        yield (
            f"ends with {check.ends[0]}",
            any(bare.endswith(normalized(each)) for each in check.ends),
        )
    heads = [normalized(BULLET.sub("", line)) for line in lines]
    for name in check.sections:
        yield f"a section {name}", any(head.startswith(normalized(name)) for head in heads)
    for index, pattern in enumerate(check.lines):
        yield (
            f"line {index + 1} as asked",
            index < len(lines)
            and re.search(pattern, lines[index][:READ_LINE_CHARS], re.IGNORECASE) is not None,
        )
    if check.acrostic:
        yield (
            f"the lines spell {check.acrostic}",
            "".join(
                split_words(fold(BULLET.sub("", line)))[0][:1]
                for line in lines
                if split_words(line)
            )
            == fold(check.acrostic),
        )


def _has_phrase(text: str, phrase: str) -> bool:
    """Whether a pattern matches, or a phrase occurs as whole words; `*` ends a word prefix."""
    if pattern := phrase_pattern(phrase):
        parts = (
            [line[:READ_LINE_CHARS] for line in text[:READ_CHARS].split("\n")]
            if pattern[0] == "^"
            else [text[:READ_CHARS]]
        )
        return any(re.search(pattern, part, re.IGNORECASE) for part in parts)
    words = [re.escape(word).replace(r"\*", r"\w*") for word in fold(phrase).split()]
    body = r"\W+".join(words)
    return re.search(rf"(?<!\w){body}(?!\w)", fold(text)) is not None


GRADERS: dict[type[Any], Callable[[Any, _Submission], Grade]] = {
    Exact: _exact,
    Number: _number,
    Regex: _regex,
    Items: _items,
    JsonSchema: _json,
    UnitTests: _tests,
    Rubric: _rubric,
}
