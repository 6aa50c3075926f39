"""`orch models`, `orch health` and `orch config`: what is there, how it gets there, and whether a
task could be answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import respx

from orch import Orchestrator
from orch.errors import OrchError
from orch.execution.pulling import pull_model
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch
from tests.support.own_models import OWN, PROVIDERS, Write
from tests.support.server_lists import FORMS, ListServer, models


def listed() -> dict[str, dict[str, Any]]:
    """`orch models --json` by id."""
    return {model["id"]: model for model in json.loads(orch("models", "--json").stdout)["models"]}


def told(*words: str) -> Any:
    """A command's JSON, its exit code beside it."""
    done = orch(*words, "--json")
    return json.loads(done.stdout) | {"exit": done.returncode}


# ---------------------------------------------------------------- list and show


def test_the_list_tells_installed_from_missing_and_listed_from_unlisted(ollama: FakeOllama) -> None:
    ollama.add(
        FakeModel("stranger:3b", parameter_size="3.2B", capabilities=["completion", "vision"])
    )
    models = listed()
    missing, stranger = models["ministral-3:8b"], models["stranger:3b"]
    assert [(m["installed"], m["unlisted"]) for m in (models[CODER], missing, stranger)] == [
        (True, False),
        (False, False),
        (True, True),
    ]
    assert missing["unavailable"] == "not installed"
    assert stranger["capabilities"] == ["completion", "vision"]
    assert models[CODER].keys() >= {
        "name",
        "provider",
        "size_bytes",
        "context_window",
        "num_ctx",
        "strengths",
        "quality_rating",
        "speed_rating",
        "measured",
    }


def test_a_model_that_answered_is_resident_and_measured(ollama: FakeOllama) -> None:
    orch("run", "-m", LLAMA, "hi")
    models = listed()
    assert (models[LLAMA]["resident"], models[CODER]["resident"]) == (True, False)
    assert (models[LLAMA]["measured"]["n"], models[CODER]["measured"]) == (1, None)
    shown = orch("models", "show", LLAMA).stdout.decode()
    assert re.search(r"last_at 20\d\d-\d\d-\d\d \d\d:\d\d\b", " ".join(shown.split()))
    assert "()" not in shown


def test_the_table_marks_what_is_loaded_unlisted_and_missing(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("stranger"))
    ollama.resident[LLAMA] = 8192
    rows = {line.split()[0]: line for line in orch("models").stdout.decode().splitlines()}
    assert [
        word in rows[name]
        for name, word in (
            (LLAMA, "loaded"),
            ("stranger:latest", "unlisted"),
            ("ministral-3:8b", "not installed"),
        )
    ] == [True] * 3


def test_a_provider_that_is_down_is_named_and_the_list_still_stands(home: Path) -> None:
    done = orch("models")
    assert (done.returncode, CODER.encode() in done.stdout) == (0, True)
    assert b"provider ollama: can't connect" in done.stderr


@pytest.mark.parametrize("name", [CODER, f"ollama/{CODER}", "Qwen 2.5 Coder 7B"])
def test_a_model_is_shown_by_any_of_its_names(ollama: FakeOllama, name: str) -> None:
    assert told("models", "show", name)["id"] == CODER
    assert (
        f"digest               {ollama.models[CODER].digest}".encode()
        in orch("models", "show", name).stdout
    )


def test_a_model_that_is_not_there_is_guessed_at(ollama: FakeOllama) -> None:
    done = orch("models", "show", "llama3.1:8b")
    assert (done.returncode, f"did you mean {LLAMA}?".encode() in done.stderr) == (4, True)


# ---------------------------------------------------------------- pull


def test_a_pulled_model_takes_part_at_once(ollama: FakeOllama) -> None:
    done = orch("models", "pull", "qwen3:4b")
    assert (done.returncode, ollama.pulled) == (0, ["qwen3:4b"])
    assert b"pulling manifest" in done.stderr
    assert listed()["qwen3:4b"]["installed"]


@respx.mock
async def test_a_registry_that_ollama_can_not_reach_is_no_wrong_name(home: Path) -> None:
    said = (
        '{"error":"pull model manifest: Get \\"https://registry.ollama.ai/v2/\\": dial tcp: lookup'
        ' registry.ollama.ai: no such host"}'
    )
    respx.post("http://127.0.0.1:1/api/pull").respond(
        200, text=said, headers={"content-type": "application/x-ndjson"}
    )
    async with Orchestrator() as orchestrator:
        with pytest.raises(OrchError, match="no such host") as caught:
            [step async for step in pull_model(orchestrator.runtime.providers, "qwen3:4b")]
    assert ("way to the internet" in caught.value.hint, caught.value.code) == (True, "all_failed")


def test_a_model_that_no_library_has_is_an_error(ollama: FakeOllama) -> None:
    done = orch("models", "pull", "missing-model")
    assert (
        done.returncode,
        b"file does not exist" in done.stderr,
        b"ollama.com/library" in done.stderr,
    ) == (4, True, True)


def test_without_ollama_nothing_is_pulled(home: Path) -> None:
    done = orch("models", "pull", "qwen3:4b")
    assert (done.returncode, b"ollama serve" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("provider", "message", "hint"),
    [
        ("shelf", b"'shelf' of models.yaml can't download models", b"try: one of: ollama\n"),
        ("shel", b"models.yaml has no provider 'shel'", b"try: one of: ollama\n"),
    ],
)
def test_a_provider_that_downloads_nothing_is_an_error(
    own: Write, provider: str, message: bytes, hint: bytes
) -> None:
    at = "base_url: 'http://[::1]:9'"
    shelf, ollama = f"{{kind: openai, {at}}}", f"{{kind: ollama, {at}}}"
    own(f"providers:\n  shelf: {shelf}\n  ollama: {ollama}\nmodels: []\n")
    done = orch("models", "pull", "--provider", provider, "qwen3:4b")
    assert (done.returncode, message in done.stderr, hint in done.stderr) == (2, True, True)
    assert b"size" not in done.stderr


# ---------------------------------------------------------------- add


def test_adding_a_model_keeps_every_line_of_the_file_in_its_place(
    ollama: FakeOllama, own: Write
) -> None:
    file = own(OWN)
    assert orch("models", "add", CODER).returncode == 0
    new = iter(file.read_text().splitlines())
    assert [
        line for line in OWN.splitlines() if line not in new
    ] == []  # an iterator: each one after the last
    assert not listed()[CODER]["unlisted"]


@pytest.mark.parametrize("rest", ["", "models:\n", "models: []\n", "models:\n- id: x\n- id: y\n"])
def test_a_model_can_be_added_to_a_list_of_any_style(
    ollama: FakeOllama, own: Write, rest: str
) -> None:
    file = own(PROVIDERS + rest)
    assert orch("models", "add", CODER).returncode == 0
    assert file.read_text().startswith(PROVIDERS)
    assert orch("config", "validate").returncode == 0
    assert (listed()[CODER]["unlisted"], listed()[LLAMA]["unlisted"], "x" in listed()) == (
        False,
        True,
        "id: x" in rest,
    )


def test_a_file_that_lives_elsewhere_is_edited_there(
    ollama: FakeOllama, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "dotfiles.yaml").write_text(OWN)
    home.mkdir()
    (home / "models.yaml").symlink_to(tmp_path / "dotfiles.yaml")
    assert orch("models", "add", CODER).returncode == 0
    assert (
        (home / "models.yaml").is_symlink(),
        CODER in (tmp_path / "dotfiles.yaml").read_text(),
    ) == (True, True)


def test_without_an_own_file_the_shipped_one_is_copied_first(
    ollama: FakeOllama, home: Path
) -> None:
    ollama.add(FakeModel("stranger"))
    assert orch("models", "add", "stranger").returncode == 0
    assert (home / "models.yaml").stat().st_mode & 0o777 == 0o600
    assert (listed()["stranger:latest"]["unlisted"], listed()[CODER]["unlisted"]) == (False, False)


@pytest.mark.parametrize(("name", "code"), [(LLAMA, 2), ("nowhere:1b", 4)])
def test_what_can_not_be_added_leaves_the_file_as_it_was(
    ollama: FakeOllama, own: Write, name: str, code: int
) -> None:
    file = own(OWN)
    done = orch("models", "add", name)
    assert (done.returncode, name.encode() in done.stderr) == (code, True)
    assert file.read_text() == OWN


# ---------------------------------------------------------------- health


def test_health_is_good_when_a_task_could_be_answered(ollama: FakeOllama) -> None:
    health = told("health")
    status = {check["name"]: check["status"] for check in health["checks"]}
    assert (health["ok"], health["exit"]) == (True, 0)
    assert [
        status[name]
        for name in (
            "config",
            "journal",
            "provider ollama",
            f"model {CODER}",
            "model ministral-3:8b",
        )
    ] == ["ok"] * 4 + ["warn"]


@pytest.mark.parametrize(
    "models", [[], [FakeModel("embedder", capabilities=["embedding"], family="bert")]]
)
def test_health_is_bad_when_no_model_could_answer(
    ollama: FakeOllama, own: Write, models: list[FakeModel]
) -> None:
    own(f"{PROVIDERS}models: [{{id: {CODER}}}]\n")
    ollama.models.clear()
    for model in models:
        ollama.add(model)
    hints = [check["hint"] for check in told("health")["checks"]]
    assert (
        told("health")["ok"],
        told("health")["exit"] != 0,
        f"orch models pull {CODER}" in hints,
    ) == (False, True, True)


def test_health_says_how_to_start_what_is_down(own: Write) -> None:
    own(PROVIDERS)
    done = orch("health")
    assert (
        done.returncode,
        b"fail" in done.stdout,
        b"no task can be answered now; orch setup" in done.stdout,
    ) == (3, True, True)


# ---------------------------------------------------------------- config


def test_a_preference_for_an_unlisted_model_is_a_warning_and_an_error_when_strict(
    own: Write,
) -> None:
    own(f"{PROVIDERS}models: [{{id: {CODER}}}]\n")
    lax, strict = orch("config", "validate"), orch("config", "validate", "--strict")
    assert (lax.returncode, strict.returncode) == (0, 2)
    assert b"models.yaml has no model 'ministral-3:8b'" in lax.stderr
    assert told("config", "validate")["errors"] == []


def test_validate_tells_every_fault_at_once(own: Write) -> None:
    own(f"{PROVIDERS}models: [{{id: a, speed_rating: 11}}, {{id: b, qality: 1}}]\n")
    faults = told("config", "validate")
    assert (faults["ok"], faults["exit"], len(faults["errors"])) == (False, 2, 2)
    assert all("models.yaml:3:" in fault for fault in faults["errors"])


def test_show_hides_keys_and_fills_defaults_in(own: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "top-secret")
    provider = "{kind: openai, base_url: http://127.0.0.1:1, api_key: "
    own(f'providers:\n  x: {provider}"${{MY_KEY}}"}}\n  y: {provider}literal-key}}\n')
    output = orch("config", "show").stdout + orch("config", "show", "--json").stdout
    assert (b"top-secret" in output, b"literal-key" in output) == (False, False)
    assert told("config", "show")["routing"]["weights"]["quality"] == 0.4


@pytest.mark.parametrize("which", ["models", "routing", "known-models"])
def test_schema_prints_a_json_schema(which: str) -> None:
    assert "properties" in json.loads(orch("config", "schema", which).stdout)


def test_path_tells_which_files_are_in_force(own: Write, home: Path) -> None:
    file = own(OWN)
    output = orch("config", "path").stdout.decode()
    assert f"models: {file} (user)" in output
    assert "(package)" in output
    assert told("config", "path")["files"]["models"] == str(file)


def test_init_writes_valid_files_once_and_keeps_a_copy_of_what_it_replaces(home: Path) -> None:
    assert orch("config", "init").returncode == 0
    assert {path.stat().st_mode & 0o777 for path in home.glob("*.yaml")} == {0o600}
    assert orch("config", "validate", "--strict").returncode == 0
    (home / "models.yaml").write_text("# mine\n")
    assert orch("config", "init").returncode == 2
    assert orch("config", "init", "--force").returncode == 0
    assert (home / "models.yaml.bak").read_text() == "# mine\n"


# ---------------------------------------------------------------- aliases


def test_an_alias_is_listed_and_names_its_model_in_every_command(
    ollama: FakeOllama, own: Write
) -> None:
    aliases = f"aliases: {{gpt-4o: '{CODER}', quick: 'auto:speed', gone: 'not-there:1b'}}\n"
    own(f"{PROVIDERS}models:\n- {{id: '{CODER}'}}\n{aliases}")
    assert json.loads(orch("models", "--json").stdout)["aliases"]["quick"] == "auto:speed"
    assert re.search(rf"gpt-4o +{re.escape(CODER)}", orch("models").stdout.decode())
    assert told("models", "show", "GPT-4o")["id"] == CODER
    assert told("run", "-m", "gpt-4o", "hi")["model"] == CODER
    assert told("route", "-m", "quick", "hi")["decision"]["profile"] == "speed"
    assert told("config", "validate")["warnings"][0].endswith("has no model 'not-there:1b'")


def test_a_name_that_lets_orch_choose_shows_no_model(ollama: FakeOllama) -> None:
    done = orch("models", "show", "auto:coding")
    assert (done.returncode, b"lets orch choose" in done.stderr) == (2, True)


# ---------------------------------------------------------------- servers with OpenAI's API


def openai_server(own: Write, url: str) -> None:
    """A models.yaml whose only provider is a server with OpenAI's API."""
    own(f"version: 1\nproviders:\n  s: {{kind: openai, base_url: {url}}}\nmodels: []\n")


def test_what_a_server_does_not_tell_is_shown_as_unknown(own: Write) -> None:
    with ListServer({"/v1/models": models({"id": "big-70b"}, {"id": "small-8b"})}) as server:
        openai_server(own, server.url)
        rows = {line.split()[0]: line for line in orch("models").stdout.decode().splitlines()}
        shown = orch("models", "show", "big-70b").stdout.decode()
        facts = told("models", "show", "big-70b")
        route = told("route", "Prove that sqrt(2) is irrational")
    assert "installed, loaded: ?, unlisted" in rows["big-70b"]
    assert "6.5 guessed" in rows["big-70b"]
    assert rows["big-70b"].split()[-3:] != rows["small-8b"].split()[-3:]
    assert re.search(r"^resident +\?$", shown, re.MULTILINE)
    assert re.search(r"^context_window +\?$", shown, re.MULTILINE)
    assert (facts["context_window"], facts["resident"], facts["size_bytes"]) == (None,) * 3
    assert (facts["parameters_b"], facts["parameters_guessed"]) == (70, True)
    candidates = {each["model_id"]: each for each in route["decision"]["candidates"]}
    assert {each["provenance"]["speed"] for each in candidates.values()} == {"guessed from size"}
    assert candidates["big-70b"]["expected_s"] > 2 * candidates["small-8b"]["expected_s"]
    assert "1048576" not in shown + str(facts) + str(route)


def test_a_model_with_a_known_window_has_it_as_its_limit(own: Write) -> None:
    with ListServer(FORMS["sglang"]) as server:
        openai_server(own, server.url)
        done = told("route", "-m", "org/small-8b", "word " * 20_000)
        model = listed()["org/small-8b"]
    assert (model["context_window"], model["resident"]) == (16_384, True)
    assert done["error"]["code"] == "context_overflow"


def test_models_that_are_not_for_chat_are_no_candidates_and_refused(own: Write) -> None:
    names = ("whisper-large-v3", "kokoro", "flux.1-dev", "bge-reranker-v2-m3", "jev-1", "chat-8b")
    with ListServer({"/v1/models": models(*({"id": name} for name in names))}) as server:
        openai_server(own, server.url)
        route = told("route", "hi")
        pinned = orch("run", "-m", "flux.1-dev", "hi")
    out = {
        each["model_id"]: each["eliminated"]
        for each in route["decision"]["candidates"]
        if each["eliminated"]
    }
    assert out == {
        "whisper-large-v3": "it is made for transcription, not for chat",
        "kokoro": "it is made for speech, not for chat",
        "flux.1-dev": "it is made for images, not for chat",
        "bge-reranker-v2-m3": "it is made for reranking, not for chat",
        "jev-1": "it is made for decisions, not for chat",
    }
    assert (pinned.returncode, b"made for images, not for chat" in pinned.stderr) == (2, True)
    assert server.posted == []
