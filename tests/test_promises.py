"""Promises of the documentation that no other test checks; figures beside a promise are the
program's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml
from starlette.requests import Request
from typer.main import get_command

import orch as package
from orch.cli.main import COMMANDS
from orch.config import paths
from orch.config.load import load_config
from orch.errors import OrchError
from orch.memory.edge import checksums
from orch.memory.on_demand import RECALL_S
from orch.orchestrator import Orchestrator
from orch.routing.known_models.estimate import QUANTIZATION_LOSS
from orch.routing.scoring.score_terms import MIN_GRADES, TASKS_PER_LOAD
from orch.server.api.request_task import ChatParams, build_request_task
from orch.server.conversations.sessions import ClientSessions
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from orch.server.http.sessions import LINK_TTL_S, SESSION_IDLE_S
from orch.server.http.wrong_key_limit import MAX_WRONG_KEYS, WRONG_KEYS_WINDOW_S
from orch.server.local_client import PROBE_TIMEOUT_S
from orch.storage.timings import HALF_LIFE_S, _weighted_median
from orch.text.prompt import Task
from orch.text.requested_model import ModelNames
from tests.conftest import CODER, LLAMA
from tests.readme.documents import DOCS, pages
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.http_server import served
from tests.support.orch_command import orch
from tests.support.orch_process import serving
from tests.support.peers import Uids

KEY = "k" * 16
PACKAGE = Path(package.__file__).parent
IN_WORDS = {
    "endpoint.md": ("three seconds", "After ten wrong keys in a minute"),
    "page.md": ("twelve hours", "ten minutes"),
    "memory.md": ("two seconds", "32 MB"),
    "routing.md": ("spread over ten tasks",),
    "bench.md": ("until five answers", "two weeks younger"),
    "models.md": (".3 (3 bits), .8 (2) or 2 (1) of 10",),
    "privacy.md": ("`keep` (a year)",),
}


def figures() -> Iterator[str]:
    """Figures of the program, as they must stand in the documentation."""
    routing = load_config().routing
    weights = routing.weights
    for weight in (weights.fit, weights.quality, weights.speed, weights.confidence):
        yield f"| {weight:.2f} |".replace("0.", ".")
    yield f"`swap_margin` ({routing.swap_margin:.2f})".replace("0.", ".")
    yield f"`quality_margin` ({routing.quality_margin:.2f})".replace("0.", ".")
    yield f"`serve: {{queue: {routing.serve.queue}, most_wait: {routing.serve.most_wait}}}`"
    yield f"{round((PACKAGE / 'classifier' / 'weights.bin').stat().st_size / 1000)} kB"
    known = yaml.load(
        (PACKAGE / "routing" / "known_models" / "known_models.yaml").read_bytes(), yaml.CSafeLoader
    )
    yield f" {len(known['models'])} "


def test_figures_beside_a_promise_are_the_programs() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages())
    assert [figure for figure in figures() if figure not in text] == []


@pytest.mark.parametrize("name", IN_WORDS)
def test_times_in_words_stand_where_they_are_promised(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert [words for words in IN_WORDS[name] if words not in text] == []


def test_times_in_words_are_the_programs() -> None:
    assert (
        PROBE_TIMEOUT_S,
        SESSION_IDLE_S,
        LINK_TTL_S,
        (MAX_WRONG_KEYS, WRONG_KEYS_WINDOW_S),
        RECALL_S,
        checksums.MOST_BYTES,
    ) == (
        3,
        12 * 3600,
        10 * 60,
        (10, 60),
        2,
        32 << 20,
    )
    assert (MIN_GRADES, TASKS_PER_LOAD, QUANTIZATION_LOSS, load_config().routing.journal.keep) == (
        5,
        10,
        {3: 0.3, 2: 0.8, 1: 2.0},
        "365d",
    )


def test_every_listing_has_json() -> None:
    answers = {
        "bench",
        "classify",
        "health",
        "models",
        "models show",
        "memory search",
        "memory list",
        "memory show",
        "memory stats",
    }
    answers |= {
        "cache stats",
        "cache why",
        "config show",
        "config path",
        "replay",
        "route",
        "run",
        "serve status",
        "setup",
        "stats",
    }
    have = set()
    for name, (module, _) in COMMANDS.items():
        command: Any = get_command(import_module(module).app)
        for path, each in (
            (name, command),
            *((f"{name} {sub}", each) for sub, each in getattr(command, "commands", {}).items()),
        ):
            have |= {path for param in each.params if "--json" in param.opts}
    assert answers - have == set()


def test_names_are_completed_without_asking_anybody(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "_ORCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "orch run -m qwen",
        "COMP_CWORD": "3",
    }.items():
        monkeypatch.setenv(name, value)
    assert CODER in orch().stdout.decode().split()
    assert ollama.requests == []


async def test_the_library_prints_nothing_and_logs_nothing(
    ollama: FakeOllama, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ollama.models[CODER].faults.append(Fault("status", times=-1))
    async with Orchestrator() as orchestrator:
        orchestrator.decide("Write a Python function")
        await orchestrator.execute("Write a Python function that sorts a list")
        assert [
            chunk
            async for chunk in orchestrator.execute_streaming(
                "hi", retrieve_context=True, model=LLAMA
            )
        ]
        with pytest.raises(OrchError):
            await orchestrator.execute("hi", model=CODER)
    ours = [
        record
        for record in caplog.records
        if record.name.startswith("orch") or record.levelno >= logging.WARNING
    ]
    assert (capfd.readouterr(), ours) == (("", ""), [])


def test_bench_pulls_nothing(ollama: FakeOllama) -> None:
    assert orch("bench", "-n", "1", "--sizes", "short", "--concurrency", "1").returncode == 0
    assert orch("bench", "gone:1b").returncode == 4
    assert (ollama.pulled, [each.path for each in ollama.requests if each.path == "/api/pull"]) == (
        [],
        [],
    )


def test_a_measurement_counts_half_as_much_as_one_two_weeks_younger() -> None:
    old = [(1.0, 0.0), (1.0, 0.0)]
    assert (
        HALF_LIFE_S,
        _weighted_median([*old, (9.0, HALF_LIFE_S - 1)], HALF_LIFE_S),
        _weighted_median([*old, (9.0, HALF_LIFE_S + 1)], HALF_LIFE_S + 1),
    ) == (14 * 86_400, 1, 9)


def test_without_the_page_there_is_none(ollama: FakeOllama) -> None:
    begun = orch("serve", "--detach", "--port", "0", "--no-ui")
    try:
        url = json.loads(orch("serve", "status", "--json").stdout)["server"]["url"]
        assert [
            httpx.get(f"{url}{path}").status_code for path in ("/activity", "/login", "/v1/models")
        ] == [404, 404, 200]
        assert orch("page").returncode != 0
    finally:
        assert (begun.returncode, orch("serve", "stop").returncode) == (0, 0)


def asked(text: str, **headers: str) -> Task:
    """The task of a request with such headers."""
    said = [(f"x-orch-{name}".encode(), value.encode()) for name, value in headers.items()]
    service = SimpleNamespace(model_names=ModelNames(), sessions=ClientSessions())
    app = SimpleNamespace(state=SimpleNamespace(service=service))
    state = {"who": "owner", "client": ""}
    request = Request({"type": "http", "headers": said, "state": state, "app": app})
    return build_request_task(
        request, ChatParams(model="auto", messages=[{"role": "user", "content": text}])
    )


def test_the_headers_of_a_request_are_wishes_of_its_task() -> None:
    plain, with_all = (
        asked("hi"),
        asked("hi", session="trip", priority="batch", timeout="2.5", cache="use"),
    )
    assert (plain.batch, plain.timeout_s, plain.fresh) == (False, None, True)
    assert (with_all.batch, with_all.timeout_s, with_all.fresh) == (True, 2.5, False)
    assert asked("another", session="trip").affinity == with_all.affinity != plain.affinity


def test_what_others_ask_is_counted_by_their_uid_and_keys_by_their_name(
    ollama: FakeOllama, home: Path
) -> None:
    body = {"model": LLAMA, "messages": [{"role": "user", "content": "hi"}]}
    with served(Rules(uid_of=Uids(4_711))) as url:
        assert httpx.post(f"{url}/v1/chat/completions", json=body).status_code == 200
    key = {"authorization": f"Bearer {KEY}"}
    with served(Rules(keys=ApiKeys([("laptop", KEY)]))) as url:
        assert httpx.post(f"{url}/v1/chat/completions", json=body, headers=key).status_code == 200
        assert set(httpx.get(f"{url}/orch/stats", headers=key).json()["clients"]) == {
            "uid 4711",
            "laptop",
        }


def test_an_answer_under_way_ends_as_it_began_while_the_configuration_changes(
    ollama: FakeOllama, home: Path
) -> None:
    ollama.models[LLAMA].reply, ollama.models[LLAMA].chunk_delay_s = ["word "] * 300, 0.01
    with serving() as there:
        before = httpx.get(f"{there.url}/orch/health").json()["config"]["hash"]
        with httpx.stream(
            "POST", f"{there.url}/api/generate", json={"model": LLAMA, "prompt": "hi"}
        ) as answer:
            lines = answer.iter_lines()
            said = [json.loads(next(lines))]
            (home / "models.yaml").write_text(
                "providers: {elsewhere: {kind: ollama, base_url: 'http://127.0.0.1:1'}}\nmodels:"
                " [{id: other, provider: elsewhere}]\n"
            )
            while httpx.get(f"{there.url}/orch/health").json()["config"]["hash"] == before:
                said.append(json.loads(next(lines)))
            said += [json.loads(line) for line in lines]
    assert ("".join(each.get("response", "") for each in said), said[-1]["done"]) == (
        "word " * 300,
        True,
    )


def test_a_backup_and_an_export_keep_what_is_forgotten_afterwards(ollama: FakeOllama) -> None:
    assert orch("run", "Where do walruses sleep?").returncode == 0
    for name in ("backup", "export"):
        assert orch("journal", name, name).returncode == 0
    assert orch("memory", "forget", "--all").returncode == 0
    assert [b"walruses" in Path(name).read_bytes() for name in ("backup", "export")] == [True, True]


def test_an_empty_home_is_not_the_root_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORCH_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    home = paths.data_dir()
    monkeypatch.setenv("HOME", "")
    assert paths.data_dir() == home
