"""Turns a text into hashed features, separately for the request and for pasted material (pure,
standard library only)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

from orch.classifier.spelling import Vocabulary
from orch.text.language import detect_language, fold

BUCKETS = 94_000
"""Times eight types, one byte each, plus the vocabulary: under 800 kB."""
GROUPS = ("words", "letters", "shape", "pasted")
HEAD_CHARS = 1_500
TAIL_CHARS = 900
AROUND_CHARS = 300
PASTED_CHARS = 400
"""Of each end of pasted material: enough to distinguish code from prose."""
ASKED_WORDS = 220
ODD_SHARE = 0.12
"""Share of unusual characters above which a line or a block looks pasted."""
LONGEST_GRAM_WORD = 14
SPELT_WORDS = 40
"""Words that also yield letter n-grams: in a longer text the words are enough, and n-grams take
half of the time."""

_LONG_GAP = re.compile(r"\s{33,}")
"""The patterns below take quadratic time on a run of blanks: 60 ms each for 2,700 in a row."""

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_ASKING = re.compile(
    r"\b(?:please|can you|could you|por favor|puedes|podr[ií]as|question|pregunta|task|tarea"
    r"|instructions?|instrucci[oó]n(?:es)?)\b[^\n]{3}",
    re.IGNORECASE,
)
_POLITE_START = re.compile(
    r"^(?:\W*(?:i would|i'd|we would|we'd) (?:be (?:very |really |so"
    r" )?(?:grateful|thankful|glad|happy)|appreciate it) if you (?:could|would|can) "
    r"(?:do|help (?:me )?with|handle|take) (?:this|the following|it)(?: for me)?\s*[.:!,]+"
    r"|\W*(?:te|le|os) agradeceria (?:mucho )?(?:que|si) (?:me"
    r" )?(?:hicieras|hicieses|ayudaras|ayudases|pudieras ayudarme)"
    r"(?: con| en)? (?:esto|lo siguiente)\s*[.:!,]+"
    r"|\W*(?:(?:can|could|would) you |i need |necesito |puedes |podrias |puede |podria )?(?:please"
    r" |por favor )?"
    r"(?:me (?:ayudas|echas una mano|puedes ayudar|podrias ayudar)|help(?: me)?|ayuda(?:rme|me)?|"
    r"una mano|a hand|some help) (?:con|with) (?:esto|lo siguiente|this|the following|something)(?:"
    r" por favor| please)?\s*[?!.:,]+"
    r"|\W*(?:hi|hello|hey|hola|buenas|buenos dias|buenas tardes|good morning)(?: there| everyone|"
    r" team| a todos)?\s*[,.!:;]+"
    r"|\W*(?:please|kindly|por favor|porfa|porfavor)\b[,:]?"
    r"|\W*(?:can|could|would|will) you (?:please |kindly )?(?:help me (?:to |with )?)?(?=\w)"
    r"|\W*(?:me )?(?:puedes|podrias|puede|podria)(?:s)? (?:por favor |ayudarme (?:a|con) )?(?=\w)"
    r"|\W*i(?: would|'d) (?:like|love|appreciate it if) (?:you (?:to |could )?)(?=\w)"
    r"|\W*(?:me gustaria que|quisiera que|necesito que) (?:me )?(?=\w)"
    r"|\W*(?:necesito una mano|quick question|quick one|una pregunta|una pregunta rapida|una"
    r" consulta)\s*[?!.:,]+"
    r")\s*"
)
_POLITE_END = re.compile(
    r"[\s,;:¡-]*(?:\b(?:please|pls|plz|thanks?(?: you)?(?: (?:so|very) much| a lot| in"
    r" advance)?|many thanks|cheers|por favor|porfa|"
    r"(?:muchas |mil )?gracias(?: de antemano| por (?:tu|su) ayuda)?|un saludo|saludos|i really"
    r" appreciate it|thank you for your help)[\s.!,:)]*)+$"
)
_CODE_LINE = re.compile(
    r"\s*(?:[-+@*#/]{2,}|[-+] ?\S|def \w|class \w|return\b|import \w|from \w+"
    r" import|(?:if|for|while|elif|else|try|except|with)\b.*:\s*$"
    r"|diff --git|index [0-9a-f]{6}"
    r"|(?:public|private|static|const|let|var|function|fn|func|package|using|#include)\b|\w+ ="
    r" \w|select \w.* from |</?\w+[ >]|\d{4}-\d\d-\d\d[ t]\d)"
)
_ASKS = re.compile(
    r"[?¿]|:\s*$|\b(?:you|your|me|my|i|i'm|i've|we|our|need|want|tu|tus|mi|mis|necesito|quiero|puedes|podrias|dime|dame|quisiera|usted)\b"
    r"|\b(?:haz|hazme|ponle?|pasal[oa]|escrib\w{1,5}|explica\w{0,3}|resum\w{1,5}|traduc\w{1,5}|revisa\w{0,3}|corrig\w{1,5}|analiza\w{0,3}|busca\w{0,3}|saca\w{0,3})\b"
)
_STARTS = frozenset(
    "what how which who why when where whats is are does do did can could should would write"
    " explain describe find give make list compare translate name show look tell rewrite rate"
    " invent suggest count convert pretend critique summarise summarize add suppose review design"
    " pull prove extract tag pick draft imagine check sort label recommend judge fix identify"
    " evaluate create outline grep select brainstorm proofread compose generate analyse analyze"
    " paraphrase decide interpret plan classify solve choose rename score complete continue act"
    " edit correct improve optimize optimise debug refactor implement build calculate compute"
    " estimate simplify discuss answer reply turn shorten expand que como cual cuales cuantos"
    " cuantas cuanto cuando quien donde redacta inventa compara lee pon clasifica convierte extrae"
    " valora disena consejos cambia reescribe evalua encuentra recomiendame etiqueta interpreta"
    " crea senala demuestra ordena imagina cuenta enumera continua resuelve completa comenta nombra"
    " detecta piensa simplifica calcula identifica actua arregla mejora lista muestra muestrame"
    " responde provide display think print help research using given".split()
)
"""First words of requests."""
_ODD = re.compile(r"[{}\[\]()<>=;|/\\_#$%*+@~^`]|\d|,(?=\S)")


class RequestParts(NamedTuple):
    """A request and the material pasted beside it, both folded."""

    asked: str
    pasted: str


def split_request(text: str) -> RequestParts:
    """Separates the request from pasted material: fenced blocks, and blocks that don't look like a
    request."""
    read = _without_politeness(fold(_LONG_GAP.sub(_shorter, _view(text).replace("\r\n", "\n"))))
    if "\n" not in read and "```" not in read:  # one block, which is the request
        return RequestParts(_without_politeness(read.strip()), "")
    fenced = "\n".join(_FENCE.findall(read))
    blocks = [block for block in re.split(r"\n\s*\n", _FENCE.sub("\n\n", read)) if block.strip()]
    blocks = [piece for block in blocks for piece in _split_pasted(block)]
    asked = [block for index, block in enumerate(blocks) if _is_request(block, index, len(blocks))]
    asked = [block for block in asked if _asks(block)] or asked
    if not asked and blocks:
        asked = [min((blocks[0], blocks[-1]), key=_oddness)]
    rest = [block for block in blocks if block not in asked]
    return RequestParts(
        _without_politeness("\n".join(asked).strip()), "\n".join([fenced, *rest]).strip()
    )


def _shorter(gap: re.Match[str]) -> str:
    return gap.group()[:16] + gap.group()[-16:]


def _view(text: str) -> str:
    """Head, tail, and between them the surroundings of the first instruction."""
    if len(text) <= HEAD_CHARS + TAIL_CHARS + AROUND_CHARS:
        return text
    middle = _ASKING.search(text, HEAD_CHARS, min(len(text) - TAIL_CHARS, HEAD_CHARS + 40_000))
    around = text[middle.start() : middle.start() + AROUND_CHARS] if middle else ""
    return f"{text[:HEAD_CHARS]}\n\n{around}\n\n{text[-TAIL_CHARS:]}"


def _split_pasted(block: str) -> Iterator[str]:
    """Splits a block whose first or last line is a request and whose other lines look pasted."""
    lines = block.split("\n")
    if len(lines) < 3:
        yield block
        return
    odd = [_is_odd(line) for line in lines]
    if sum(odd) * 2 < len(lines):
        yield block
        return
    first = 0 if odd[0] else 1
    last = len(lines) if odd[-1] else len(lines) - 1
    yield from (
        "\n".join(piece) for piece in (lines[:first], lines[first:last], lines[last:]) if piece
    )


def _is_request(block: str, index: int, count: int) -> bool:
    if count == 1:
        return True
    if "\n" in block and (
        _oddness(block) > ODD_SHARE or sum(map(_is_odd, block.split("\n"))) * 2 > block.count("\n")
    ):
        return False
    return len(block) < 400 or index == 0 or (index == count - 1 and len(block) < 700)


def _asks(block: str) -> bool:
    """Whether a block is a question or an order; other prose beside such a block was pasted."""
    first = _WORD.search(block)
    return bool(_ASKS.search(block)) or (first is not None and first.group() in _STARTS)


def _is_odd(line: str) -> bool:
    return _oddness(line) > ODD_SHARE or _CODE_LINE.match(line) is not None


def _oddness(block: str) -> float:
    """Share of characters that are rare in prose."""
    return len(_ODD.findall(block)) / max(len(block), 1)


def _without_politeness(asked: str) -> str:
    for _ in range(3):
        shorter = _POLITE_END.sub("", _POLITE_START.sub("", asked, count=1), count=1)
        if shorter == asked or len(shorter) < 3:
            break
        asked = shorter
    return asked


def features(text: str, vocabulary: Vocabulary) -> dict[str, list[str]]:
    """The names of a text's features by group, each once. The first character of a name is its
    kind, so that kinds never share a name."""
    part = split_request(text)
    tokens = _TOKEN.findall(part.asked)
    if len(tokens) > ASKED_WORDS:
        tokens = tokens[: ASKED_WORDS * 2 // 3] + tokens[-ASKED_WORDS // 3 :]
    words = vocabulary.corrected(
        [token for token in tokens if token[0].isalnum() or token[0] == "_"]
    )
    return {
        "words": list(dict.fromkeys(_grams(words))),
        "letters": list(dict.fromkeys(_letters(words))),
        "shape": list(dict.fromkeys(_shape(part, words, tokens))),
        "pasted": list(dict.fromkeys(_pasted(part.pasted))) if part.pasted else [],
    }


def hash_features(names: list[str]) -> list[int]:
    """The positions of the weights of features."""
    return list(map(_cached_bucket, names))


def feature_bucket(name: str) -> int:
    """The position of the weights of one feature."""
    return zlib.crc32(name.encode("utf-8", "replace")) % BUCKETS


_cached_bucket = lru_cache(maxsize=32_768)(feature_bucket)


def _grams(words: list[str]) -> list[str]:
    return [
        *[f"1{word}" for word in words],
        *[f"2{a} {b}" for a, b in pairwise(words)],
        *[f"3{a} {b} {c}" for a, b, c in zip(words[:12], words[1:13], words[2:14], strict=False)],
    ]


def _letters(words: list[str]) -> Iterator[str]:
    spelt = list(dict.fromkeys(words))[:SPELT_WORDS]
    return chain.from_iterable([_pieces(word[:LONGEST_GRAM_WORD]) for word in spelt])


@lru_cache(maxsize=4_096)
def _pieces(word: str) -> tuple[str, ...]:
    """The letter n-grams of a word. Cached: a long-running process sees the same words again and
    again."""
    padded = f"<{word}>"
    return tuple(
        "c" + padded[at : at + size] for size in (3, 4, 5) for at in range(len(padded) - size + 1)
    )


def _shape(part: RequestParts, words: list[str], tokens: list[str]) -> list[str]:
    # of lists, not of generators, which take twice as long
    return [
        "sbias",
        *[f"p{word}" for word in words[:1]],
        "p" + " ".join(words[:2]),
        "p" + " ".join(words[:3]),
        *[f"f{word}" for word in words[:5]],
        *[f"l{word}" for word in words[-4:]],
        f"slength {min(len(words).bit_length(), 8)}",
        f"slines {min(part.asked.count(chr(10)).bit_length(), 4)}",
        f"spasted {min(len(part.pasted).bit_length() // 2, 6)}",
        f"slanguage {detect_language('', words)}",
        *[
            f"smark {token}"
            for token in dict.fromkeys(tokens)
            if not (token[0].isalnum() or token[0] == "_")
        ],
        f"snumbers {min(sum([word[0].isdigit() for word in words]), 4)}",
        f"send {tokens[-1] if tokens and not tokens[-1][0].isalnum() else 'word'}",
    ]


def _pasted(pasted: str) -> Iterator[str]:
    read = (
        pasted
        if len(pasted) <= 2 * PASTED_CHARS
        else f"{pasted[:PASTED_CHARS]}\n{pasted[-PASTED_CHARS:]}"
    )
    yield "qany"
    yield f"qodd {min(int(_oddness(read) * 20), 6)}"
    yield f"qlines {min(read.count(chr(10)).bit_length(), 5)}"
    yield from (f"q{word}" for word in _WORD.findall(read)[:120])
