"""Extracts from an answer: the visible text, its conclusion, final number, listed items, code
(pure)."""

from __future__ import annotations

import ast
import re

from orch.bench.answer_json import find_json
from orch.text.language import fold, split_words

_THOUGHT = re.compile(
    r"<(think|thinking|thought|reasoning|reflection)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_THOUGHT_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_MARKS = re.compile(r"<\|[a-z_]+\|>|<(?:end_of_turn|start_of_turn|eos|bos|/?s)>")
_FENCE = re.compile(
    r"(?:```|~~~)[ \t]*([\w+#-]*)[^\n]*\n(.*?)(?:\n[ \t]*(?:```|~~~)|\Z)", re.DOTALL
)
_MARKUP = re.compile(
    r"\*\*|__|`+|^#{1,6}\s+|^>\s?|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)", re.MULTILINE
)


def visible_answer(answer: str, prompt: str = "") -> str:
    """The answer without thoughts (closed, cut off, or opened by the template), end marks and a
    repeated prompt."""
    spoken = _THOUGHT.sub("", answer)
    ends = [match.end() for match in _THOUGHT_END.finditer(spoken)]
    text = _MARKS.sub("", spoken[ends[-1] :] if ends else spoken).strip()
    text = text.removeprefix(prompt.strip()).strip() if prompt.strip() else text
    return "" if 2 * len(text) > len(prompt) and text in prompt else text


def without_markdown(text: str) -> str:
    """Removes Markdown emphasis, headings, quotes and code marks."""
    lines = [line for line in text.split("\n") if not line.strip().startswith(("```", "~~~"))]
    return _MARKUP.sub("", "\n".join(lines)).strip()


def normalized(text: str) -> str:
    """Normalizes for comparison: no case, accents, outer punctuation, article or double spaces."""
    bare = " ".join(fold(without_markdown(text).replace("’", "'")).split()).strip(
        " \t\"'“”«».,;:!?¡¿()[]{}"
    )
    return re.sub(r"^(?:the|an?|el|la|los|las|un|una)\s+(?=\S)", "", bare)


_LABEL = re.compile(
    r"\b(?:answer|result|solution|respuesta|resultado|soluci[oó]n)\b[^\n:=.]{0,40}?(?:\bis\b|\bare\b|\bes\b|\bson\b|[:=])\s*([^\n]+)",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")


def labelled_answer(text: str) -> str | None:
    """The text in the last `\\boxed{}`, else after the last `answer:`."""
    boxed = _BOXED.findall(text)
    labels = boxed or _LABEL.findall(without_markdown(text))
    return labels[-1].strip() if labels else None


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−–", "0123456789---")
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_LATEX = re.compile(r"\\[,;!]|\\(?:text|mathrm)\{([^}]*)\}|\\[()\[\]]|\$|\{,\}")
_NUMBER = re.compile(
    r"(?<![\w.,/])(-\s?)?[€£¥]?\s?(?:(?:(\d+)\s+)?(\d+)\s?/\s?(\d+)(?![\d/])|(\d{1,3}(?:["
    r" \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,']\d+)*|[.,]\d+))"
    r"(?:\s?[x×·*]\s?10\s?(?:\^|\*\*)?\s?\{?(-?\d+)\}?|e([+-]?\d+))?(\s?(?:%|per ?cent|por"
    r" ciento|million|millones|millón|thousand|mil)(?!\w))?",
    re.IGNORECASE,
)
_FACTORS = {"million": 1e6, "millones": 1e6, "millón": 1e6, "thousand": 1e3, "mil": 1e3}
_WORDS_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty".split()
)
_WORDS_ES = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
    " dieciseis diecisiete dieciocho diecinueve veinte".split()
)
_WORDS = {
    word: float(value) for words in (_WORDS_EN, _WORDS_ES) for value, word in enumerate(words)
} | {"una": 1.0, "un": 1.0, "none": 0.0, "ninguno": 0.0}


def final_number(text: str, lang: str) -> list[float]:
    """The possible values of the final number: boxed, labelled, bold at the end, after the last
    `=`, else the last one. Empty without a number."""
    label = labelled_answer(text)
    if label is not None and (
        numbers := _numbers(label.rsplit("=", 1)[-1], lang) or _numbers(label, lang)
    ):
        return numbers[0]
    lines = [line for line in text.split("\n") if _numbers(line, lang)]
    if not lines:
        words = [_WORDS[word] for word in split_words(fold(text)) if word in _WORDS]
        return words[-1:]
    bold = [
        numbers
        for part in re.findall(r"\*\*(.+?)\*\*", lines[-1])
        if (numbers := _numbers(part, lang))
    ]
    return (
        bold[-1][-1]
        if bold
        else (_numbers(lines[-1].rsplit("=", 1)[-1], lang) or _numbers(lines[-1], lang))[-1]
    )


def _numbers(text: str, lang: str) -> list[list[float]]:
    """Every number with its possible values: in Spanish 1.234 is 1234, or a decimal as in English;
    25 % is also 0.25."""
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r" \1/\2", text)
    text = _LATEX.sub(lambda match: f" {match[1]}" if match[1] else "", text).translate(
        _SUPERSCRIPTS
    )
    text = re.sub("|".join(_VULGAR), lambda match: f" {_VULGAR[match[0]]}", text).replace(
        "\\%", "%"
    )
    return [
        values
        for match in _NUMBER.finditer(_MARKUP.sub("", text))
        if (values := _readings(match, lang))
    ]


def _readings(match: re.Match[str], lang: str) -> list[float]:
    sign, whole, over, under, digits, power, exponent, unit = match.groups()
    if under is not None:
        values = [int(whole or 0) + int(over) / int(under)] if int(under) else []
    else:
        values = list(
            dict.fromkeys(
                [_decimal(digits, lang), *([_decimal(digits, "en")] if lang == "es" else [])]
            )
        )
    name = (unit or "").strip().lower()
    # larger exponents are not answers and would overflow
    factor = _FACTORS.get(name, 1.0) * 10.0 ** max(-300, min(280, int(power or exponent or 0)))
    values = [(-value if sign else value) * factor for value in values]
    return (
        values + [value / 100 for value in values]
        if name.startswith(("%", "per", "por"))
        else values
    )


def _decimal(digits: str, lang: str) -> float:
    """Parses a number of a language; a separator that can't be one of thousands is a decimal
    point."""
    point, thousands = (",", ".") if lang == "es" else (".", ",")
    digits = re.sub(r"[ \u00a0\u202f']", "", digits)[:40]
    if (
        not re.fullmatch(rf"\d{{1,3}}(\{thousands}\d{{3}})+(\{point}\d*)?", digits)
        and digits.count(thousands) == 1
        and point not in digits
    ):
        point, thousands = thousands, point
    head, _, tail = digits.replace(thousands, "").partition(point)
    return float(f"{head or 0}.{re.sub('[^0-9]', '', tail) or 0}")


MAX_TRAILING_LINES = 50
"""Most lines that are dropped after code without a fence, one by one, until the rest parses."""
BULLET = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,3}[.)]|[a-z]\))\s+", re.MULTILINE)


def listed_items(text: str) -> list[str]:
    """The normalized items that an answer lists: a JSON list, bullets or numbers, else what commas
    and `and` separate after the last colon or `are`."""
    has_json, value = find_json(text)
    if (
        has_json
        and isinstance(value, list)
        and all(isinstance(each, (str, int, float)) for each in value)
    ):
        return [normalized(str(each)) for each in value]
    lines = [line for line in plain_with_bullets(text).split("\n") if line.strip()]
    bullets = [BULLET.sub("", line) for line in lines if BULLET.match(line)]
    if bullets:
        return [normalized(line) for line in bullets]
    short = [line for line in lines if not line.rstrip().endswith(":")]
    if len(short) > 1 and not any("," in line for line in short):
        return [normalized(line) for line in short]
    last = re.split(
        r":\s|\b(?:are|is|son|es|were|fueron)\s", short[-1] if short else "", flags=re.IGNORECASE
    )[-1]
    return [
        thing
        for part in re.split(r"[,;|→>]|\s(?:and|y|e|&)\s", last)
        if (thing := normalized(re.sub(r"^\s*(?:and|y|e)\s", "", part)))
    ]


def plain_with_bullets(text: str) -> str:
    """Removes Markdown but keeps bullets."""
    return without_markdown(re.sub(r"^([^\S\n]*)[*+•]\s+", r"\1- ", text, flags=re.MULTILINE))


def extract_code(text: str, languages: tuple[str, ...] = ()) -> str:
    """The first fenced block in one of the languages, else the first block, else the only inline
    code, else the whole text."""
    blocks = _FENCE.findall(text)
    chosen = [body for name, body in blocks if name.lower() in languages] or [
        body for _, body in blocks
    ]
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return str(chosen[0] if chosen else inline[0] if len(inline) == 1 else text).strip("\n")


def extract_python(text: str, entry: str) -> str:
    """All fenced Python that parses, so that a later version replaces an earlier one; without
    fences, the lines from the first to the last one of code."""
    blocks = [
        body
        for name, body in _FENCE.findall(text)
        if name.lower() in ("", "python", "py", "python3")
    ]
    good = [body for body in blocks if parse_python(body)]
    if any(find_definition(parse_python(body), entry) for body in good):
        return "\n".join(good)
    if blocks:
        return str(next((body for body in blocks if entry in body), blocks[0]))
    lines = text.split("\n")
    start = next(
        (
            i
            for i, line in enumerate(lines)
            if re.match(r"(?:async def|def|class|import|from|@)\s?\w", line)
            or line.startswith(f"{entry} =")
        ),
        0,
    )
    ends = (
        end
        for end in range(len(lines), max(start, len(lines) - MAX_TRAILING_LINES), -1)
        if parse_python("\n".join(lines[start:end]))
    )
    return "\n".join(lines[start : next(ends, len(lines))])


def parse_python(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def find_definition(tree: ast.Module | None, name: str) -> ast.AST | None:
    """The last definition of a name in the module."""
    for node in reversed(tree.body if tree else []):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and node.name == name
        ):
            return node
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return node.value
    return None
