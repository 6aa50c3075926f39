"""Checks across the keys of a file: each problem is reported where it is, and valid files have
none."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from orch.config.consistency import MAX_SECRET_CHARS, unknown_preferences, unknown_targets
from orch.config.load import load_config
from orch.config.schema import validate_document
from orch.config.spec import Models, ModelSpec, Provider
from orch.config.yaml_document import parse_yaml

PROVIDER = {"kind": "ollama", "base_url": "http://127.0.0.1:1"}
WEIGHTS = {"fit": 0.2, "quality": 0.4, "speed": 0.3, "confidence": 0.1}
QUADRATIC = r"x*y*z"


def problems(which: str, data: dict[str, Any]) -> list[str]:
    """The problems of a file with this data, without the file's name and the position."""
    document = parse_yaml("f", yaml.safe_dump(data))
    checked = validate_document(which, document, document.data)[1]
    return [str(each).split(": ", 1)[1] for each in checked]


def models_problems(*models: dict[str, Any], **providers: dict[str, Any]) -> list[str]:
    return problems("models", {"providers": {"ollama": PROVIDER, **providers}, "models": models})


def routing_problems(**keys: Any) -> list[str]:
    return problems("routing", {"weights": WEIGHTS, **keys})


@pytest.mark.parametrize("control", ["\x1b[2J", "\n", "\r", "\t", "\u2028", "\u202e", "\x9b", "\0"])
@pytest.mark.parametrize("key", ["id", "name", "aliases", "strengths", "weaknesses"])
def test_a_name_that_could_drive_a_terminal_is_refused(key: str, control: str) -> None:
    name = f"a{control}b"
    model = {"id": "m", key: name if key in ("id", "name") else ["x", name]}
    [problem] = models_problems(model)
    path = f"models[0].{key}" + ("" if key in ("id", "name") else "[1]")
    assert problem == (
        f"{path}: {name!r} holds a control character, a tab or a line break;"
        " write the name without it"
    )


def test_a_providers_name_is_checked_too_and_the_line_is_told() -> None:
    text = 'providers:\n  ollama: &p {kind: ollama, base_url: "http://[::1]"}\n  "a\\e": *p\n'
    document = parse_yaml("models.yaml", text)
    [problem] = validate_document("models", document, document.data)[1]
    assert str(problem).startswith("models.yaml:3:3: providers.a: 'a\\x1b' holds a control")


@pytest.mark.parametrize(
    "name", ["qwen3:8b", "Mi modelo ñ", "سلام‌ها", "👩‍👩‍👧", "a 'b' \\ \"c\"", ""]
)
def test_names_in_any_script_are_valid(name: str) -> None:
    assert models_problems({"id": "m", "name": name, "strengths": [name]}) == []


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        (
            [{"id": "a", "provider": "olama"}],
            "models[0].provider: unknown provider 'olama', did you mean ollama?; providers: ollama",
        ),
        ([{"id": "a"}, {"id": "a:latest"}], "models[1].id: 'a:latest' is already a name of a"),
        ([{"id": "a:1b"}, {"id": "A:1B"}], "models[1].id: 'A:1B' is already a name of a:1b"),
        (
            [{"id": "a"}, {"id": "b", "aliases": ["c", "a"]}],
            "models[1].aliases[1]: 'a' is already a name of a",
        ),
        (
            [{"id": "a", "context_window": 512, "num_ctx": 1024}],
            "models[0].num_ctx: 1024 is more than context_window, 512",
        ),
        (
            [{"id": "a", "strengths": ["x", "y"], "weaknesses": ["y"]}],
            "models[0].weaknesses: y: a strength and a weakness at once",
        ),
        (
            [{"id": "a", "gguf": "package:a/../b"}],
            "models[0].gguf: 'package:a/../b' is not a file in the folder of an installed package;"
            " the form is package:NAME/FILE",
        ),
        ([{"id": "a", "gguf": "x\0"}], "models[0].gguf: there is a zero character in it"),
    ],
)
def test_a_contradiction_between_models_is_reported(
    models: list[dict[str, Any]], problem: str
) -> None:
    assert models_problems(*models) == [problem]


def test_lm_studio_has_an_address_by_default() -> None:
    assert models_problems(p={"kind": "lmstudio"}) == []
    assert Provider(kind="lmstudio").urls == ("http://127.0.0.1:1234",)
    assert Provider(kind="lmstudio", base_url="http://[::1]:9").urls == ("http://[::1]:9",)


def test_an_alias_may_repeat_its_own_models_id() -> None:
    assert models_problems({"id": "a", "aliases": ["a:latest"]}) == []


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ({"kind": "llamacpp", "base_url": "http://[::1]"}, "runs inside orch and has no address"),
        ({"kind": "openai"}, "kind openai needs base_url, such as http://127.0.0.1:8000/v1"),
        ({"kind": "llama-server"}, "llama-server needs base_url, such as http://127.0.0.1:8080"),
        ({"kind": "ollama"}, "kind ollama needs base_url, such as http://127.0.0.1:11434"),
        ({**PROVIDER, "base_urls": ["http://[::1]"]}, "give base_url or base_urls, not both"),
        ({"kind": "ollama", "base_url": "ftp://a"}, "p.base_url: "),
        ({"kind": "ollama", "base_urls": ["http://[::1]", "a"]}, "p.base_urls: "),
    ],
)
def test_a_provider_needs_the_addresses_of_its_kind(provider: dict[str, Any], problem: str) -> None:
    [reported] = models_problems(p=provider)
    assert reported.startswith("providers.p.")
    assert problem in reported


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"profiles": {"mine": {**WEIGHTS, "fit": 0.4}}}, "profiles.mine: the weights sum to 1.2"),
        ({"memory": {"qdrant_url": "qdrant"}}, "memory.qdrant_url: "),
        ({"redaction": {"patterns": {"mine": "("}}}, "redaction.patterns.mine: "),
        (
            {"redaction": {"patterns": {"mine": QUADRATIC * MAX_SECRET_CHARS}}},
            "redaction.patterns.mine: ",
        ),
        ({"redaction": {"allow": ["jwt", "nowt"]}}, "redaction.allow[1]: unknown form 'nowt'"),
        (
            {"task_types": {"coding": {"patterns": ["ok", "("]}}},
            "task_types.coding.patterns[1]: ",
        ),
        (
            {"task_types": {"coding": {"patterns": [f"a{n}" for n in range(5_000)]}}},
            "task_types: there are 5,000 patterns; ",
        ),
    ],
)
def test_a_contradiction_in_the_policy_is_reported(keys: dict[str, Any], problem: str) -> None:
    [reported] = routing_problems(**keys)
    assert reported.startswith(problem)


def test_a_known_model_is_listed_once_and_no_larger_inside_than_whole() -> None:
    model = {"name": "m", "family": "f", "params_b": 8}
    assert problems("known_models", {"models": [model, {**model, "active_b": 9}]}) == [
        "models[1].name: 'm' appears twice",
        "models[1].active_b: 9 is more than params_b, 8",
    ]


def test_a_preference_for_a_model_that_is_not_listed_is_a_warning() -> None:
    routing = load_config().routing
    listed = sorted({name for rule in routing.task_types.values() for name in rule.prefer})
    models = Models(
        providers={"ollama": Provider(kind="llamacpp")},
        models=(ModelSpec(id=listed[0], aliases=tuple(listed[1:-1])),),
    )
    document = parse_yaml("routing.yaml", "")
    warnings = unknown_preferences(models, routing, document)
    assert {each.message for each in warnings} == {f"models.yaml has no model {listed[-1]!r}"}


ALIASED = {"models": [{"id": "qwen3:8b", "aliases": ["quick"]}]}


@pytest.mark.parametrize(
    ("aliases", "problem"),
    [
        ({"Auto": "qwen3:8b"}, "aliases.Auto: 'Auto' is a name of orch's own"),
        ({"auto:mine": "auto"}, "aliases.auto:mine: 'auto:mine' is a name of orch's own"),
        ({"QWEN3:8b": "auto"}, "aliases.QWEN3:8b: 'QWEN3:8b' is already a name of qwen3:8b"),
        ({"quick": "auto"}, "aliases.quick: 'quick' is already a name of qwen3:8b"),
        ({"a": "auto:codding"}, "aliases.a: there is no 'auto:codding', did you mean auto:coding?"),
        ({"a": "A"}, "aliases.a: 'A' is an alias itself; write what that stands for"),
        ({"": "auto"}, "aliases.: '' can't be a name"),
        ({"a": "x\x1by"}, "aliases.a: 'x\\x1by' can't be a name"),
        ({"a": "x" * 301}, f"aliases.a: {'x' * 301!r} can't be a name"),
    ],
)
def test_an_alias_that_could_not_be_used_is_reported(aliases: dict[str, str], problem: str) -> None:
    data = {"providers": {"ollama": {"kind": "llamacpp"}}, **ALIASED, "aliases": aliases}
    assert problems("models", data) == [problem]


def test_aliases_of_each_other_and_twice_the_same_are_reported() -> None:
    data = {"providers": {}, "aliases": {"a": "b", "b": "a", "C": "auto", "c": "auto"}}
    assert problems("models", data) == [
        "aliases.C: 'C' appears twice: case does not matter",
        "aliases.a: 'b' is an alias itself; write what that stands for",
        "aliases.b: 'a' is an alias itself; write what that stands for",
        "aliases.c: 'c' appears twice: case does not matter",
    ]


def test_an_alias_for_a_model_that_is_not_listed_is_a_warning() -> None:
    models = Models(
        providers={"home": Provider(kind="llamacpp")},
        models=(ModelSpec(id="qwen3:8b", provider="home", name="Qwen 3"),),
        aliases={
            "a": "QWEN3:8b",
            "b": "home/qwen3:8b",
            "c": "qwen 3",
            "d": "auto:coding",
            "e": "orch/auto:coding",
            "gpt-4o": "gone:1b",
        },
    )
    warnings = unknown_targets(models, parse_yaml("models.yaml", ""))
    assert list(map(str, warnings)) == [
        "models.yaml:1:1: aliases.gpt-4o: models.yaml has no model 'gone:1b'"
    ]
