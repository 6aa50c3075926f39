"""What errors say of values that are not valid, and that what they say to write is valid."""

from __future__ import annotations

import pytest

from orch.config.consistency import MODELS, ROUTING
from orch.config.schema import expand_short_forms, validate_document
from orch.config.yaml_document import parse_yaml

MODELS_YAML = "providers: {{ollama: {{kind: ollama, base_url: 'http://h:1'{}}}}}\nmodels: [{}]\n"
WEIGHTS = "weights: {fit: .2, quality: .4, speed: .3, confidence: .1}\n"


def problems(which: str, text: str) -> list[str]:
    """The problems of a file, without their positions."""
    document = parse_yaml(f"{which}.yaml", text)
    _, found = validate_document(which, document, expand_short_forms(which, document.data))
    return [f"{each.path}: {each.message}" for each in found]


def provider(entry: str) -> list[str]:
    """The problems of models.yaml with that in the entry of its provider."""
    return problems(MODELS, MODELS_YAML.format(f", {entry}", ""))


def model(entry: str) -> list[str]:
    """The problems of models.yaml with that in the entry of its model."""
    return problems(MODELS, MODELS_YAML.format("", f"{{{entry}}}"))


def routing(text: str) -> list[str]:
    """The problems of routing.yaml with that text."""
    return problems(ROUTING, WEIGHTS + text)


@pytest.mark.parametrize("raw", ["3.10", "1_000", "70", "-1", "1.0e+3", "false", "Null", "~"])
def test_what_yaml_reads_as_another_type_is_told_to_be_quoted_as_it_is_written(raw: str) -> None:
    quoted = f'id: "{raw}"'
    told = f"models[0].id: must be text, which {raw} is in quotes: {quoted}"
    assert model(f"id: {raw}") == [told]
    assert model(quoted) == []


@pytest.mark.parametrize("raw", ["no", "on", "Off", "y", "1e3x", "12:30", "0x1f", "2026-11-30"])
def test_words_that_old_yaml_reads_as_another_type_are_text(raw: str) -> None:
    assert model(f"id: {raw}") == []


def test_an_element_of_a_list_is_told_to_be_quoted() -> None:
    assert model("id: m, strengths: [coding, 1.50]") == [
        'models[0].strengths[1]: must be text, which 1.50 is in quotes: "1.50"'
    ]


def test_a_key_without_a_value_is_told_as_such() -> None:
    assert model("id: ") == ["models[0].id: has no value"]


def test_a_secret_is_not_shown() -> None:
    (problem,) = provider("api_key: 8731")
    assert problem == "providers.ollama.api_key: must be text, which the value is in quotes"


@pytest.mark.parametrize("value", ["0", "-1", "300", "5m", "1h30m", '"-1"', "1.5h", "null", "-1s"])
def test_keep_alive_is_whatever_ollama_takes(value: str) -> None:
    assert provider(f"keep_alive: {value}") == []


@pytest.mark.parametrize("value", ["5 minutes", "1d", "1.5", "true", "off", "forever", '""'])
def test_another_keep_alive_is_told_what_to_write(value: str) -> None:
    (problem,) = provider(f"keep_alive: {value}")
    assert problem.startswith("providers.ollama.keep_alive: ")
    assert problem.endswith(" or -1 (keeps it loaded)")


@pytest.mark.parametrize("value", ["24", "1y", "24 h", "1.5h", "24h30m", "true"])
def test_a_wrong_duration_is_told_what_to_write(value: str) -> None:
    (problem,) = routing(f"cache: {{ttl: {value}}}\n")
    assert problem.endswith("is not a duration; write a number with s, m, h, d or w, such as 24h")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cache: false", "cache.mode: false is not allowed; allowed: off, exact or suggest"),
        ("journal: true", "journal.mode: true is not allowed; allowed: full, meta or off"),
        ("memory: on", "memory: must be a mapping of keys, not 'on'"),
        ("memory: {recall: sometimes}", "memory.recall: must be true or false, not 'sometimes'"),
        (
            "memory_budget_gb: 16GB",
            "memory_budget_gb: '16GB' is not allowed; allowed: auto, or a number without a unit",
        ),
        ("serve: {queue: 1.5}", "serve.queue: must be a whole number without a unit, not 1.5"),
    ],
)
def test_other_values_are_told_what_is_allowed(text: str, problem: str) -> None:
    assert routing(f"{text}\n") == [problem]


@pytest.mark.parametrize("value", ["on", "yes", "off", "no", "true", "False"])
def test_words_for_yes_and_no_are_booleans_where_a_boolean_belongs(value: str) -> None:
    assert routing(f"memory: {{recall: {value}}}\n") == []


@pytest.mark.parametrize("text", ["cache: off", "journal: off", "cache: {mode: off}"])
def test_off_is_a_word_where_a_word_belongs(text: str) -> None:
    assert routing(f"{text}\n") == []


def test_a_value_of_neither_type_is_told_once() -> None:
    (told,) = provider("verify: 5")
    assert told.startswith("providers.ollama.verify: must be ")
