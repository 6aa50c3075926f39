"""The trained classifier: hashed features, one byte of weight for each type, and a table that
calibrates confidences (pure)."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from orch.classifier.features import BUCKETS, feature_bucket, features
from orch.classifier.opening_words import READ_WORDS, TYPE_OF, keep_second, opening_votes
from orch.classifier.spelling import Vocabulary
from orch.text.language import detect_language, fold
from orch.types import Classification, Evidence, TaskType

WEIGHTS = Path(__file__).with_name("weights.bin")
MAGIC = b"orchclf2"
GROUP_SCALES = {"words": 10.0, "letters": 10.0, "shape": 6.0, "pasted": 1.0}
"""Lengths of a text's group vectors. Chosen by cross-validation that leaves out whole sources;
pasted material counts little, so that it does not change the type of a task (at 4 it changed 15 %,
with the same accuracy)."""
ZERO = 128
"""The byte that stands for a weight of 0."""
SHAPE_SIZE = 20
"""Shape features count the same in short and long texts."""
EVIDENCE_SHOWN = 4
TURN_WORDS = 8
"""A follow-up with fewer words usually depends on the previous turn ("shorter please")."""
TURN_WEIGHT = 0.8
FOREIGN_SHARE = 0.25
"""What remains of the confidence in a language without training data."""
MOST_SURE = 0.999
"""A statistical classifier is never certain; 1 is the confidence of a type that was given
(`-t`)."""
KNOWN_SHARE = 0.35
"""Minimum share of known words in a text of a known language: .2 % of 2,198 real prompts have less,
and 70 % of 44 sentences in 22 other languages (function words reveal the rest)."""
MAX_KEPT_LINES = 32_768
"""Features whose weights are kept: about 4 MB."""
_READ_CHARS = 2_000
_LANGUAGE_WORDS = 80
"""Words from which the language is detected."""
_TYPES = tuple(TaskType)
_FOREIGN = frozenset(
    "der die das und ist nicht ein eine einen mit auf für von ich sie wie kannst bitte warum"
    " schreibe zwischen oder le les des est et une dans pour avec sur vous je ne pas qui du au"
    " quelle quel pourquoi comment écris il gli della che di sono perché come scrivi questo una nel"
    " alla qual não uma você com são isso em os as do da dos das qual escreva um para het een van"
    " niet met voor zijn waarom hoe schrijf ik och att det som på är inte med för hur varför jag"
    " jest nie na się czy jak dlaczego napisz dla proszę bir ve için nasıl neden bu mi yaz quina"
    " quin amb hi ha és això cal unha cun das dun neste nesta och ist ce cette texte traduis dikt"
    " om havet skriv schreiben ja tentang yang dan untuk dari ekki er".split()
)
_KNOWN = frozenset(
    "the a an of and to in for with is are my your this that what how which it on from do does i"
    " you be me as at or if can write por el los las del y en un una en y de la que para con como"
    " es son mi tu su al lo se cual este esta esto no qué cómo escribe haz dame hay más o si le me"
    " das as do".split()
)
_FOREIGN_LETTERS = frozenset("äöèàìòùêâîôûçãõßåøæşğıłąęśżźćńčřšžðþạảấầậắếềệốồộớờợụứừựơưđőű")
_LETTER_WORD = re.compile(r"[^\W\d_]+")


class LinearClassifier:
    """The weights of one file, ready to use."""

    def __init__(self, data: bytes) -> None:
        if data[:8] != MAGIC:
            raise ValueError("not a weights file of this version")
        head, words = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12))
        self._head = json.loads(data[16 : 16 + head])
        self.vocabulary = Vocabulary.from_bytes(data[16 + head : 16 + head + words], TYPE_OF)
        self._weights = data[16 + head + words :]
        if len(self._weights) != BUCKETS * len(_TYPES):
            raise ValueError("a weights file of another size")
        self._lines = _WeightLines(self._weights)
        self._scale = [float(each) for each in self._head["scale"]]

    @classmethod
    def shipped(cls) -> LinearClassifier:
        """The weights of the package, read once."""
        return _shipped()

    def classify(
        self, text: str, previous: TaskType | None = None, *, explained: bool = True
    ) -> Classification:
        """Classifies a text. Accepts any text; `previous` is the type of the previous turn, a vote
        if the text is short.

        `explained` False omits the evidence, which takes a third of the time.
        """
        feature_names = features(text, self.vocabulary)
        groups = [
            FeatureGroup(names, feature_value(group, len(names)))
            for group, names in feature_names.items()
        ]
        logits = self.logits(groups)
        words = _LETTER_WORD.findall(text[:_READ_CHARS].lower())
        folded = _LETTER_WORD.findall(fold(text[:_READ_CHARS]))[:_LANGUAGE_WORDS]
        foreign = (
            _foreign(words[:_LANGUAGE_WORDS]) or self.vocabulary.known_share(folded) < KNOWN_SHARE
        )
        voted = (
            [Evidence(previous, "turn", "the former turn", TURN_WEIGHT)]
            if previous and 0 < len(words) <= TURN_WORDS
            else []
        )
        opening = (
            []
            if foreign
            else [name[1:] for name in feature_names["words"][:READ_WORDS] if name[0] == "1"]
        )
        voted += opening_votes(opening)
        _add(voted, logits)
        lifted = list(keep_second(opening, dict(zip(_TYPES, logits, strict=True))))
        _add(lifted, logits)
        share = FOREIGN_SHARE if foreign else 1.0
        probabilities = _softmax([each * share for each in logits]) if words else _no_evidence()
        order = sorted(range(len(_TYPES)), key=lambda at: -probabilities[at])
        confidence = self._calibrated(probabilities[order[0]]) * share
        evidence = (
            (*voted, *lifted, *(self._evidence(groups, order[:2]) if explained else ()))
            if words
            else ()
        )
        best, second = _TYPES[order[0]], _TYPES[order[1]]
        return Classification(
            task_type=best,
            confidence=confidence,
            scores=dict(zip(_TYPES, probabilities, strict=True)),
            evidence=evidence,
            language=detect_language(text[:_READ_CHARS], folded),
            second=(
                second
                if probabilities[order[1]] >= self._head["second_share"] * probabilities[order[0]]
                else None
            ),
            unsure=confidence < self._head["unsure_below"],
        )

    def logits(self, groups: list[FeatureGroup]) -> list[float]:
        """One logit for each type, in the order of TaskType."""
        size, sums = len(_TYPES), [0.0] * len(_TYPES)
        for group in groups:
            # the eight weights of a bucket are adjacent: one memory access a feature instead of
            # eight
            lines = b"".join(map(self._lines.__getitem__, group.names))
            for kind in range(size):
                sums[kind] += group.value * (sum(lines[kind::size]) - ZERO * len(group.names))
        return [total * scale for total, scale in zip(sums, self._scale, strict=True)]

    def _evidence(self, groups: list[FeatureGroup], kinds: list[int]) -> list[Evidence]:
        """The features with the highest weights for these types, without letter n-grams, which
        people can't read."""
        evidence: list[Evidence] = []
        readable = [group for group in groups if group.names and group.names[0][0] != "c"]
        for kind in kinds:
            lines, scale = self._lines, self._scale[kind]
            weighted = [
                (group.value * scale * (lines[name][kind] - ZERO), name)
                for group in readable
                for name in group.names
                if lines[name][kind] > ZERO
            ]
            best = sorted(
                (each for each in weighted if _readable(each[1])),
                key=lambda each: (-each[0], each[1]),
            )[:EVIDENCE_SHOWN]
            evidence += [
                Evidence(_TYPES[kind], "learned", _display_name(name), weight)
                for weight, name in best
            ]
        return evidence

    def _calibrated(self, probability: float) -> float:
        """Linear interpolation between the knots that were fitted in training."""
        xs, ys = self._head["knots"]
        after = min(max(bisect_right(xs, probability), 1), len(xs) - 1)
        share = (probability - xs[after - 1]) / (xs[after] - xs[after - 1])
        return float(min(max(ys[after - 1] + share * (ys[after] - ys[after - 1]), 0.0), MOST_SURE))


class FeatureGroup(NamedTuple):
    """One group of a text's features: names, and the value of each."""

    names: list[str]
    value: float


class _WeightLines(dict[str, bytes]):
    """The eight weights of each feature by its name. Kept: a long-running process sees the same
    features again and again."""

    def __init__(self, weights: bytes) -> None:
        super().__init__()
        self._weights = weights

    def __missing__(self, name: str) -> bytes:
        if len(self) >= MAX_KEPT_LINES:
            self.clear()
        at = feature_bucket(name) * len(_TYPES)
        line = self[name] = self._weights[at : at + len(_TYPES)]
        return line


def feature_value(group: str, count: int) -> float:
    """The value of each of `count` features of a group."""
    return GROUP_SCALES[group] / math.sqrt(SHAPE_SIZE if group == "shape" else max(count, 1))


@lru_cache(maxsize=1)
def _shipped() -> LinearClassifier:
    return LinearClassifier(WEIGHTS.read_bytes())


def _foreign(words: list[str]) -> bool:
    """Whether the words are neither English nor Spanish: another script, or the function words of
    another language."""
    # of lists, not of generators, which take twice as long
    latin = sum([word[0] < "\u0250" for word in words])
    foreign = sum([word in _FOREIGN or not _FOREIGN_LETTERS.isdisjoint(word) for word in words])
    known = sum([word in _KNOWN for word in words])
    return latin * 2 < len(words) or foreign > known


def _add(votes: list[Evidence], logits: list[float]) -> None:
    for vote in votes:
        logits[_TYPES.index(vote.task_type)] += vote.weight


def _no_evidence() -> list[float]:
    """The probabilities without any evidence: `simple` leads slightly."""
    return _softmax([0.5 if kind is TaskType.SIMPLE else 0.0 for kind in _TYPES])


def _readable(name: str) -> bool:
    return name[0] in "123pq" or name.startswith("smark")


def _display_name(name: str) -> str:
    """The display form of a feature's name: its words, and where they were found."""
    if name[0] == "s":
        return name[6:]
    return {"p": "starts with ", "q": "pasted: "}.get(name[0], "") + name[1:]


def _softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(each - top) for each in logits]
    total = sum(weights)
    return [each / total for each in weights]
