"""Opening words: votes for a request that begins with one of the words by which the original
program chose types (pure, standard library only).

The training data has few requests that open with "audit" or "investigate". Words that often open
requests of every type ("write", "explain", "what", "how", "find" in English, and the nouns "code"
and "story") need no vote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orch.types import Evidence, TaskType

EVIDENCE_KIND = "opening"
OPENING, NEAR = 3.0, 2.0
"""Logits of the first word, and of one shortly after it. Chosen on 1,589 plain requests written for
orch: the type was first or second in .736 without votes, .971 with them. Of 2,041 real prompts with
their sources left out 12 became right and 8 wrong (`tests/evals/openings.py`)."""
READ_WORDS = 6
LEAD = 0.1
"""Maximum lead in logits of a type that is kept second over the third. It changes no first type;
the label of real prompts is among the first two in .809, with votes alone in .807."""

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
"""Later in a request it is a noun."""
_FAMILIAR = {
    "find": TaskType.EXPLORATION,
    **dict.fromkeys(("code", "codigo", "programa"), TaskType.CODING),
}
_FAMILIAR |= dict.fromkeys(
    ("explain", "explica", "explicar", "explique", "explicame"), TaskType.WRITING
)
"""Words that are frequent at the beginning in the training data: their type is kept second, without
a vote."""
_NOUNS = frozenset(
    "strategy strategies estrategia estrategias grep audit auditoria brainstorm lluvia".split()
)
"""Words that mean the same later in a request ("do a grep for", "lluvia de ideas")."""
TYPE_OF = {form: kind for kind, forms in _FORMS.items() for form in forms.split()}


def opening_votes(words: Sequence[str]) -> Iterator[Evidence]:
    """The votes of a request's first words, folded; one vote for each type."""
    seen: set[TaskType] = set()
    for place, word in enumerate(words[:READ_WORDS]):
        kind = TYPE_OF.get(word) or (None if place else _OPENING_ALONE.get(word))
        if kind and kind not in seen:
            seen.add(kind)
            yield Evidence(
                kind, EVIDENCE_KIND, word, NEAR if place and word not in _NOUNS else OPENING
            )


def keep_second(words: Sequence[str], logits: Mapping[TaskType, float]) -> Iterator[Evidence]:
    """The vote that the type of the first word needs to be second, if any."""
    word = words[0] if words else ""
    kind = TYPE_OF.get(word) or _OPENING_ALONE.get(word) or _FAMILIAR.get(word)
    if kind:
        third, first = sorted(value for each, value in logits.items() if each is not kind)[-2:]
        wanted = third + min(LEAD, (first - third) / 2)
        if logits[kind] < wanted:
            yield Evidence(kind, EVIDENCE_KIND, word, wanted - logits[kind])
