"""An answer that violates its JSON Schema is a failed attempt, whether or not the server enforces
it; nothing is fetched, and nothing hangs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch import OrchError, Orchestrator
from orch.execution.checks import json_schema
from orch.execution.checks.json_schema import AnswerSchema, schema_from_format
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch

TASK = "Write a Python function that sorts a list"
NUMBER: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
}
FORMAT: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "n", "schema": NUMBER}}
BAD, GOOD = '{"b": "no number"}', '{"a": 1}'
CATASTROPHE: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}},
}
ENDLESS = json.dumps({"a": "a" * 60 + "!"})


@pytest.fixture(autouse=True)
def the_coder_breaks_it(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[LLAMA].reply = [BAD[:5], BAD[5:]], [GOOD]


def schema_file(schema: Any) -> str:
    Path("schema.json").write_text(json.dumps(schema))
    return "schema.json"


async def violation_of(schema: Any, answer: Any) -> str:
    return await AnswerSchema(schema).violation(
        answer if isinstance(answer, str) else json.dumps(answer)
    )


def refused(schema: Any) -> OrchError:
    with pytest.raises(OrchError) as caught:
        AnswerSchema(schema)
    assert caught.value.code == "bad_input"
    return caught.value


# ---------------------------------------------------------------- through the faces


async def test_the_next_model_is_called_and_the_attempt_names_the_violation() -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute(TASK, response_format=FORMAT)
    assert [(each.model, each.code) for each in result.attempts] == [
        (CODER, "schema_mismatch"),
        (LLAMA, ""),
    ]
    assert "$: 'a' is a required property" in result.attempts[0].message
    assert result.response.content == GOOD


@pytest.mark.parametrize("form", ["--json", "--no-stream"])
def test_buffered_text_is_replaced_by_the_next_models(ollama: FakeOllama, form: str) -> None:
    done = orch("run", form, "--schema", schema_file(NUMBER), TASK)
    assert done.returncode == 0
    assert (
        json.loads(done.stdout)["answer"] if form == "--json" else done.stdout.decode().strip()
    ) == GOOD


def test_visible_text_stays_and_the_run_exits_with_7(ollama: FakeOllama) -> None:
    done = orch("run", "--schema", schema_file(NUMBER), TASK)
    assert (done.returncode, done.stdout.decode().strip()) == (7, BAD)
    assert b"breaks the schema" in done.stderr
    assert b"--no-stream asks another model" in done.stderr


def test_the_error_if_every_model_breaks_the_schema(ollama: FakeOllama) -> None:
    ollama.models[LLAMA].reply = [BAD]
    output = json.loads(orch("run", "--json", "--schema", schema_file(NUMBER), TASK).stdout)
    assert (output["error"]["code"], {each["code"] for each in output["attempts"]}) == (
        "all_failed",
        {"schema_mismatch"},
    )
    assert "-m MODEL asks another model" in output["error"]["hint"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions", {"response_format": FORMAT}),
        ("/api/chat", {"format": NUMBER, "stream": False}),
    ],
)
def test_clients_of_both_apis_get_the_answer_that_fits(
    url: str, path: str, fields: dict[str, Any]
) -> None:
    answer = httpx.post(
        f"{url}{path}",
        json={"model": "auto", "messages": [{"role": "user", "content": TASK}], **fields},
        timeout=30,
    )
    assert (answer.status_code, answer.headers["x-orch-fallback"]) == (200, "1")
    assert json.dumps(GOOD)[1:-1] in answer.text


@pytest.mark.parametrize(
    "schema",
    [{"type": "objekt"}, {"$ref": "http://127.0.0.1:9/x"}, {"pattern": "("}],
    ids=["type", "remote", "pattern"],
)
def test_an_unusable_schema_is_rejected_before_any_call(
    url: str, ollama: FakeOllama, schema: dict[str, Any]
) -> None:
    fields = {"model": "auto", "messages": [{"role": "user", "content": TASK}], "format": schema}
    answer = httpx.post(f"{url}/api/chat", json=fields, timeout=30)
    assert (answer.status_code, "JSON Schema can't be used" in answer.text) == (400, True)
    done = orch("run", "--no-server", "--schema", schema_file(schema), TASK)
    assert (done.returncode, b"JSON Schema can't be used" in done.stderr) == (2, True)
    assert ollama.chats() == []


def test_a_schema_file_nested_too_deeply_is_rejected(ollama: FakeOllama) -> None:
    Path("schema.json").write_text('{"items":' * 100_000 + "{}" + "}" * 100_000)
    done = orch("run", "--schema", "schema.json", TASK)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def test_an_answer_nested_too_deeply_is_a_failed_attempt(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ["[" * 100_000, "]" * 100_000]
    output = json.loads(orch("run", "--json", "--schema", schema_file(NUMBER), TASK).stdout)
    assert (output["attempts"][0]["code"], output["answer"]) == ("invalid_json", GOOD)


def test_a_slow_pattern_does_not_block_the_server(
    url: str, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_schema, "CHECK_TIMEOUT_S", 2.0)
    ollama.models[CODER].reply, ollama.models[LLAMA].reply = [ENDLESS], ['{"a": "aa"}']
    fields = {
        "model": "auto",
        "messages": [{"role": "user", "content": TASK}],
        "format": CATASTROPHE,
        "stream": False,
    }
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{url}/api/chat", json=fields, timeout=60))
    )
    asking.start()
    ollama.wait_for(lambda: bool(ollama.chats()))
    assert httpx.get(f"{url}/api/version", timeout=30).status_code == 200
    asking.join()
    assert (answers[0].status_code, answers[0].headers["x-orch-fallback"]) == (200, "1")


@pytest.mark.parametrize("more", [[], ["--schema", "schema.json"]], ids=["without", "with"])
def test_jsonschema_is_imported_only_for_a_schema(ollama: FakeOllama, more: list[str]) -> None:
    schema_file(NUMBER)
    code = (
        f"import sys\nsys.argv = ['orch', 'run', '--no-stream', *{more!r}, {TASK!r}]\nfrom"
        " orch.cli.main import command\ncommand()\n"
    )
    code += "print('jsonschema' in sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.stderr.decode().splitlines()[-1] == str(bool(more))


# ---------------------------------------------------------------- the check


@pytest.mark.parametrize(
    ("schema", "answer", "expected"),
    [
        (NUMBER, {"a": 1}, ""),
        (NUMBER, {"a": 1.5}, "$.a must be of type integer"),
        ({"items": {"enum": ["x", "y"]}}, ["x", "z"], '$[1] must fit enum: ["x", "y"]'),
        (
            {"properties": {}, "additionalProperties": False},
            {"b": 1},
            "$: Additional properties are not allowed ('b' was unexpected)",
        ),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, "1", ""),
        ({"$ref": "#"}, "1", "it is nested too deeply to be checked"),
        ({"format": "ipv4"}, '"no address"', ""),
        ({"pattern": "^a+$"}, '"aaa"', ""),
        ({"pattern": "^a+$"}, '"b"', '$ must fit pattern: "^a+$"'),
        (
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "maximum": 3,
                "exclusiveMaximum": True,
            },
            "3",
            "$ must fit maximum: 3",
        ),
        ({"multipleOf": 0.1}, "1e999", "it could not be checked"),
        (False, "1", "$ must not be there"),
    ],
)
async def test_a_violation_names_its_path(schema: Any, answer: Any, expected: str) -> None:
    violation = await violation_of(schema, answer)
    assert violation.startswith(expected) if expected else violation == ""


async def test_a_violation_does_not_quote_a_huge_answer() -> None:
    assert len(await violation_of({"type": "integer"}, "x" * 1_000_000)) < 200
    assert len(await violation_of({"additionalProperties": False}, {"x" * 1_000_000: 1})) < 200


async def test_references_that_fan_out_are_limited_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_schema, "CHECK_TIMEOUT_S", 0.5)
    layers = {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 8} for n in range(30)}
    assert "could not be checked" in await violation_of(
        {"$ref": "#/$defs/n0", "$defs": {**layers, "n30": True}}, "1"
    )


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/x.json",
        "https://example.com/x",
        "file:///etc/passwd",
        "other.json",
        "//host/x",
    ],
)
def test_an_external_reference_is_rejected(reference: str) -> None:
    error = refused({"properties": {"a": {"$ref": reference}}})
    assert (reference in error.message, "$defs" in error.hint) == (True, True)


async def test_formats_are_not_checked() -> None:
    assert await violation_of({"type": "string", "format": "email"}, '"no address"') == ""


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/none"},
        {"$id": "http://example.com/s", "$ref": "other"},
        {"$schema": 5},
        {"$schema": "//["},
        "text",
        {"required": "a"},
    ],
)
def test_an_invalid_schema_is_rejected(schema: Any) -> None:
    assert "can't be used" in refused(schema).message


def test_a_schema_nested_too_deeply_is_rejected() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5_000):
        schema = {"items": schema}
    assert "nested too deeply" in refused(schema).message


@pytest.mark.parametrize(
    ("response_format", "schema"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, None),
        ({"type": "json_object", "schema": NUMBER}, NUMBER),
        (FORMAT, NUMBER),
        (NUMBER, NUMBER),
    ],
)
def test_the_schema_is_found_in_each_response_format(
    response_format: dict[str, Any] | None, schema: Any
) -> None:
    assert schema_from_format(response_format) == schema
