"""The words by which the original told the types: votes for a request that begins with one of them
(pure, standard library alone).

Training has hardly seen a request that opens with "audit" or "investigate". Words that open
requests of every type and that it has seen often ("write",
"explain", "what", "how", "find" in English, and the nouns "code" and "story") need no vote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orch.types import Evidence, TaskType

EVIDENCE_KIND = "opening"
OPENING, NEAR = 3.0, 2.0
"""Logits of the first word, and of one shortly after it. Chosen on 1,589 plain requests of our own:
the type was first or second in .736 without, .971
with them. Of 2,041 real prompts with their sources left out 12 became right and 8 wrong
(`tests/evals/openings.py`)."""
READ_WORDS = 6
LEAD = 0.1
"""Logits at most between a type that is kept second and the third. It changes no first type; the
label of real prompts is among the first two in .809,
with votes alone in .807."""

_FORMS = {
    TaskType.CODING: (
        "implement implementing implementa implementar implemente implementame implemento debug"
        " debugging depura depurar depure depurame refactor refactoring refactoriza refactorizar"
        " refactorizas refactorice refactorizame"
    ),
    TaskType.REASONING: (
        "analyze analyse analyzing analysing analiza analizar analice analizame solve solving"
        " resuelve resolver resuelva resuelveme decide deciding decidir decida decido decidimos"
        " decidiendo strategy strategies estrategia estrategias"
    ),
    TaskType.EXPLORATION: (
        "search searching busca buscar busque buscame encuentra encontrar encuentre encuentrame"
        " grep locate locating localiza localizar localice localizame"
    ),
    TaskType.WRITING: "documenta documentar documente documentame",
    TaskType.SIMPLE: "calculate calculating calcula calcular calcule calculame",
    TaskType.ANALYSIS: (
        "review reviewing revisa revisar revise revises revisame audit auditing audita auditar"
        " audite audites auditame auditoria assess assessing evalua evaluar evalue evalues evaluame"
    ),
    TaskType.CREATIVE: (
        "design designing disena disenar disene disename brainstorm brainstorming lluvia"
    ),
    TaskType.RESEARCH: (
        "research researching investigate investigating investiga investigar investigue investigame"
        " compare comparing compara comparar comparame indaga indagar indague averigua averiguar"
        " averigue"
    ),
}
_OPENING_ALONE = {"document": TaskType.WRITING}
"""Further on it is a noun."""
_FAMILIAR = {
    "find": TaskType.EXPLORATION,
    **dict.fromkeys(("code", "codigo", "programa"), TaskType.CODING),
}
_FAMILIAR |= dict.fromkeys(
    ("explain", "explica", "explicar", "explique", "explicame"), TaskType.WRITING
)
"""Words that training has seen often at the beginning: their type is kept second, without a
vote."""
_NOUNS = frozenset(
    "strategy strategies estrategia estrategias grep audit auditoria brainstorm lluvia".split()
)
"""Words that tell as much further on ("do a grep for", "lluvia de ideas")."""
TYPE_OF = {form: kind for kind, forms in _FORMS.items() for form in forms.split()}


def opening_votes(words: Sequence[str]) -> Iterator[Evidence]:
    """What the first words of a request, folded, say about its type; one vote a type."""
    seen: set[TaskType] = set()
    for place, word in enumerate(words[:READ_WORDS]):
        kind = TYPE_OF.get(word) or (None if place else _OPENING_ALONE.get(word))
        if kind and kind not in seen:
            seen.add(kind)
            yield Evidence(
                kind, EVIDENCE_KIND, word, NEAR if place and word not in _NOUNS else OPENING
            )


def keep_second(words: Sequence[str], logits: Mapping[TaskType, float]) -> Iterator[Evidence]:
    """What the type of the very first word lacks to be the second, if it lacks anything: the
    original's words are a floor."""
    word = words[0] if words else ""
    kind = TYPE_OF.get(word) or _OPENING_ALONE.get(word) or _FAMILIAR.get(word)
    if kind:
        third, first = sorted(value for each, value in logits.items() if each is not kind)[-2:]
        wanted = third + min(LEAD, (first - third) / 2)
        if logits[kind] < wanted:
            yield Evidence(kind, EVIDENCE_KIND, word, wanted - logits[kind])
