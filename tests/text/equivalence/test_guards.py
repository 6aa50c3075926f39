"""Two tasks are equivalent only if nothing that matters differs."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.text.equivalence.guards import find_difference, is_equivalent
from tests.evals.near_cache import OWN, read

PAIRS = read(OWN)
WORDS = sorted({word for pair in PAIRS for text in (pair.a, pair.b) for word in text.split()})
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.sampled_from([pair.a for pair in PAIRS]),
)

DIFFERENT = {
    "number": [
        ("Give me five tips", "Give me ten tips"),
        ("Convierte 10 km a millas", "Convierte 15 km a millas"),
        ("What is 1.5 + 2?", "What is 15 + 2?"),
    ],
    "unit": [
        ("Convert 10 km to miles", "Convert 10 m to miles"),
        ("Convierte 5 libras a kilos", "Convierte 5 onzas a kilos"),
    ],
    "negation": [
        ("Why is it safe?", "Why isn't it safe?"),
        ("¿Por qué funciona?", "¿Por qué no funciona?"),
        ("Run it with sudo", "Run it without sudo"),
    ],
    "name": [
        ("Who wrote Hamlet?", "Who wrote Macbeth?"),
        ("La capital de Suiza", "La capital de Suecia"),
        ("What is Apple?", "What is an apple?"),
    ],
    "code": [
        ("What does `a & b` do?", "What does `a && b` do?"),
        ("¿Qué hace rm -r?", "¿Qué hace rm -rf?"),
        ("Use max_tokens", "Use min_tokens"),
    ],
    "quoted": [
        ("Translate 'dog' to Spanish", "Translate 'god' to Spanish"),
        ('Corrige "yo voy"', 'Corrige "yo fui"'),
    ],
    "order": [
        ("Convert 100 USD to EUR", "Convert 100 EUR to USD"),
        ("Trenes de Madrid a Vigo", "Trenes de Vigo a Madrid"),
        ("Do dogs chase cats?", "Do cats chase dogs?"),
    ],
    "head": [
        ("A list of dicts", "A dict of lists"),
        ("What is a house cat?", "What is a cat house?"),
    ],
    "antonym": [
        ("Where does it start?", "Where does it end?"),
        ("¿Cómo activo el wifi?", "¿Cómo desactivo el wifi?"),
        ("Run before lunch", "Run after lunch"),
    ],
    "comparison": [
        ("Is Go faster than C?", "Is C faster than Go?"),
        ("¿Es Go más lento que C?", "¿Es Go más rápido que C?"),
        ("The biggest lake", "The smallest lake"),
    ],
    "language": [
        ("Explain recursion in French", "Explain recursion in German"),
        ("Explica el amor", "Explica el amor en inglés"),
    ],
    "tense": [
        ("Who is the king of Spain?", "Who was the king of Spain?"),
        ("¿Cuándo empieza el curso?", "¿Cuándo empezó el curso?"),
        ("¿Quién gana?", "¿Quién ganará?"),
    ],
    "when": [("The weather today", "The weather tomorrow"), ("¿Qué pasó ayer?", "¿Qué pasó hoy?")],
    "question": [
        ("How do I use eval?", "Why do I use eval?"),
        ("¿Qué es un notario?", "¿Qué hace un notario?"),
        ("Can I delete a branch?", "How do I delete a branch?"),
    ],
    "subject": [
        ("Who defeated Napoleon?", "Who did Napoleon defeat?"),
        ("What eats cats?", "What do cats eat?"),
        ("What eats cats?", "¿Qué comen los gatos?"),
    ],
    "format": [
        ("Explain recursion", "Explain recursion in one sentence"),
        ("Resume en un párrafo", "Resume en una frase"),
        ("List the planets", "List the planets as JSON"),
    ],
    "how many": [("Write a poem", "Write poems"), ("Dame una idea", "Dame ideas")],
    "letter": [
        ("A word with the letter a", "A word with the letter e"),
        ("Palabras con la letra o", "Palabras con la letra y"),
        ("Foods with vitamin A", "Foods with vitamin E"),
    ],
    "preposition": [
        ("A book about my father", "A book for my father"),
        ("Write to my boss", "Write from my boss"),
        ("What is on TV?", "What is TV?"),
    ],
    "article": [
        ("What is the cloud?", "What is a cloud?"),
        ("¿Qué es la nube?", "¿Qué es una nube?"),
    ],
    "whose": [
        ("What is my IP?", "What is an IP?"),
        ("¿Cuál es mi IP?", "¿Qué es una IP?"),
        ("Fix this error", "Fix an error"),
        ("Can you swim?", "Can I swim?"),
    ],
    "across": [
        ("¿Cómo borro un archivo?", "How do I create a file?"),
        ("¿Quién es el rey?", "Who was the king?"),
        ("Receta sin gluten", "Recipe with gluten"),
    ],
}
SAME = [
    ("How do I delete a file in Linux?", "¿Cómo borro un archivo en Linux?"),
    ("How can I revert my most recent git commit?", "How do I undo the last git commit?"),
    ("Please explain what a closure is", "What's a closure?"),
    ("What is the difference between TCP and UDP?", "Explícame la diferencia entre UDP y TCP"),
    ("Dame una receta de tortilla", "¿Cómo se hace una tortilla?"),
    ("What is France's capital?", "¿Cuál es la capital de Francia?"),
    ("How do I reverse a Python list?", "In Python, how can I reverse a list?"),
    ("How many km is 5 miles?", "Convierte 5 millas a km"),
    ("Who is the author of Hamlet?", "¿Quién escribió Hamlet?"),
    ("Tell me a joke about programmers", "Give me a joke about programmers"),
    ("What is the biggest planet?", "¿Cuál es el planeta más grande?"),
]


@pytest.mark.parametrize(("a", "b"), [pair for pairs in DIFFERENT.values() for pair in pairs])
def test_a_relevant_difference_prevents_a_suggestion(a: str, b: str) -> None:
    assert find_difference(a, b)
    assert not is_equivalent(a, b, 1.0)


@pytest.mark.parametrize(("a", "b"), SAME)
def test_another_wording_is_suggested(a: str, b: str) -> None:
    assert find_difference(a, b) is None
    assert is_equivalent(a, b, 0.9)


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("Convert 10 km to miles", "Convert 15 km to miles", "numbers: 10 km / 15 km"),
        ("Why is it safe?", "Why is it not safe?", "negation: none / not"),
        ("Translate 'dog' to Spanish", "Translate 'god' to Spanish", 'quoted text: "dog" / "god"'),
        ("What is a mutex?", "Why is a mutex?", "kind of question: what / why"),
        ("Do dogs chase cats?", "Do cats chase dogs?", "order of words"),
    ],
)
def test_the_reason_says_what_differs(a: str, b: str, reason: str) -> None:
    assert find_difference(a, b) == reason


@pytest.mark.parametrize("cosine", [0.5, -1.0, math.nan])
def test_a_low_cosine_prevents_a_suggestion_of_equal_words(cosine: float) -> None:
    assert not is_equivalent("What is recursion?", "Explain recursion", cosine)


@given(TEXTS)
def test_a_text_is_equivalent_to_itself(text: str) -> None:
    assert find_difference(text, text) is None
    assert find_difference(text, f"  {text} ") is None or "\n" in text.strip() or len(text) > 397


@given(TEXTS, TEXTS)
@settings(max_examples=300)
def test_difference_is_symmetric(a: str, b: str) -> None:
    assert find_difference(a, b) == find_difference(b, a)


@pytest.mark.parametrize(
    ("first", "second"), [(pair.a, pair.b) for pair in PAIRS if pair.same_answer]
)
def test_one_more_word_is_a_difference(first: str, second: str) -> None:
    assert find_difference(first, f"{second.rstrip('?')} zebra?")


@pytest.mark.parametrize(
    "text",
    [
        "what is " * 40_000,
        "a-" * 100_000,
        "'" * 100_000,
        "que es (" * 30,
        "x " * 199,
        '"' * 399,
        "most " * 79,
        "1." * 190,
    ],
)
def test_time_is_bounded_for_any_length(text: str) -> None:
    started = time.perf_counter()
    find_difference(text, text + "?!x")
    assert time.perf_counter() - started < 1


def test_several_lines_are_never_compared() -> None:
    assert find_difference("def f():\n  x", "def f():\n x") == "more than one line"


def test_long_tasks_are_never_compared() -> None:
    assert find_difference("tell me " * 60, "tell us " * 60) == "longer than a short task"
