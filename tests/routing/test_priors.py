"""What is believed of each model in a survey: whose ratings hold, how the two scales meet, and what
the faces say of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orch import Orchestrator
from orch.config.discovery import packaged_file
from orch.config.load import config_from_data, load_config
from orch.config.spec import ModelSpec, Provider
from orch.providers.ollama.client import OllamaClient
from orch.routing.known_models import estimate
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.model_list import KnownModels
from orch.routing.model_state import ModelState
from orch.routing.priors import QualityPriors, prior_from_rating
from orch.routing.registry import Inventory
from orch.types import Prior, Reason, TaskType
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch
from tests.support.orchestrators import Json

SHIPPED = load_config().shipped_models
QWEN, GPT, MINE = "qwen3:8b", "gpt-oss:20b", "mine:8b"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two of the shipped list."""
    with FakeOllama([FakeModel(LLAMA), FakeModel(CODER)]) as running:
        yield running


async def survey(server: FakeOllama, models: list[Json] | None = None, **more: Any) -> Inventory:
    """What is there, with the shipped list or another one."""
    listed = config_from_data(None, None).models
    shipped = [
        {
            "id": each.id,
            "quality_rating": each.quality_rating,
            "strengths": each.strengths,
            "weaknesses": each.weaknesses,
        }
        for each in listed.models
    ]
    data = {
        "providers": {"ollama": {"kind": "ollama", "base_url": server.url}},
        "models": shipped[:4] if models is None else models,
        **more,
    }
    async with Orchestrator(data, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        return await orchestrator.runtime.registry.snapshot()


def of(found: Inventory, name: str) -> ModelState:
    """The state of one model."""
    (state,) = (state for state in found.states if state.spec.id == name)
    return state


def prior(found: Inventory, name: str) -> Prior:
    """What is believed of it."""
    it = of(found, name).prior
    assert it is not None
    return it


# ---------------------------------------------------------------- whose ratings hold


async def test_with_the_shipped_models_alone_their_ratings_and_strengths_hold(
    server: FakeOllama,
) -> None:
    found = await survey(server)
    assert (found.only_shipped, prior(found, LLAMA)) == (
        True,
        prior_from_rating(7, Reason("rated")),
    )
    assert "coding" in of(found, CODER).spec.strengths


@pytest.mark.parametrize(
    "beside",
    [
        FakeModel("nomic-embed-text", capabilities=["embedding"]),
        FakeModel("far:8b", remote_host="https://ollama.com"),
    ],
    ids=["embeds", "remote"],
)
async def test_a_model_that_can_not_be_chosen_leaves_the_shipped_ratings_in_force(
    server: FakeOllama, beside: FakeModel
) -> None:
    server.add(beside)
    assert (await survey(server)).only_shipped


async def test_an_unlisted_model_that_takes_no_part_leaves_them_too(server: FakeOllama) -> None:
    server.add(FakeModel(QWEN))
    assert (await survey(server, unlisted="ignore")).only_shipped


async def test_beside_a_model_that_they_do_not_list_priors_replace_the_shipped_values(
    server: FakeOllama,
) -> None:
    server.add(FakeModel(QWEN))
    found = await survey(server)
    coder = of(found, CODER)
    assert (
        found.only_shipped,
        coder.spec.quality_rating,
        coder.spec.strengths,
        coder.spec.weaknesses,
    ) == (False, None, (), ())
    assert {prior(found, each).source.split(" ")[0] for each in (LLAMA, CODER, QWEN)} == {
        "benchmarks"
    }
    assert {round(prior(found, each).floor_gap, 1) for each in (LLAMA, CODER, QWEN)} == {1.4}


async def test_strengths_that_a_person_wrote_stay_beside_ratings_that_nobody_did(
    server: FakeOllama,
) -> None:
    server.add(FakeModel(QWEN))
    found = await survey(server, [{"id": LLAMA, "quality_rating": 7, "strengths": ["creative"]}])
    assert (of(found, LLAMA).spec.strengths, of(found, LLAMA).spec.quality_rating) == (
        ("creative",),
        None,
    )


async def test_a_person_s_rating_replaces_the_prior_at_every_type(server: FakeOllama) -> None:
    found = await survey(server, [{"id": LLAMA, "quality_rating": 6.5}])
    assert (prior(found, LLAMA), found.only_shipped) == (
        prior_from_rating(6.5, Reason("rated_by_user")),
        False,
    )


@pytest.mark.parametrize("rating", [2, 9])
async def test_a_rating_of_one_model_throws_no_other_one_under_a_floor(
    server: FakeOllama, rating: float
) -> None:
    server.add(FakeModel(QWEN))
    before = prior(await survey(server), QWEN)
    after = prior(await survey(server, [{"id": LLAMA, "quality_rating": rating}]), QWEN)
    assert before.quality != after.quality
    for each in TaskType:
        assert after.quality[each] * 10 + after.floor_gap == pytest.approx(
            before.quality[each] * 10 + before.floor_gap
        )


async def test_a_model_that_is_not_there_has_no_prior(server: FakeOllama) -> None:
    server.remove(CODER)
    assert of(await survey(server), CODER).prior is None


# ---------------------------------------------------------------- two scales


def believed(specs: list[ModelSpec], *others: str) -> dict[str, float]:
    """Mean priors, 0 to 10, where a person wrote these specs and other models are there."""
    states = [ModelState(spec) for spec in specs] + [
        ModelState(ModelSpec(id=name), unlisted=True) for name in others
    ]
    found = QualityPriors(specs, SHIPPED).with_priors(
        states, {at: Identity(state.spec.id) for at, state in enumerate(states)}, True
    )
    return {state.spec.id: state.prior.mean * 10 for state in found.states if state.prior}


def test_priors_are_shifted_by_how_far_a_person_s_ratings_are_above_them() -> None:
    plain = believed([], GPT, "qwen2.5:14b", "llama3.1:8b")
    rated = [
        ModelSpec(id=name, quality_rating=plain[name] + 2)
        for name in ("qwen2.5:14b", "llama3.1:8b")
    ]
    assert believed(rated, GPT)[GPT] == pytest.approx(plain[GPT] + 2 * 2 / 4, abs=0.1)
    assert believed(rated[:1], GPT)[GPT] == pytest.approx(plain[GPT] + 2 * 1 / 3, abs=0.1)


def test_gpt_oss_does_not_fall_behind_an_old_model_because_somebody_rated_that() -> None:
    four = {"llama3.1:8b": 7.1, "qwen2.5:14b": 8.4, "qwen2.5-coder:7b": 8.1, "ministral-3:8b": 7.4}
    found = believed(
        [ModelSpec(id=name, quality_rating=rating) for name, rating in four.items()], GPT
    )
    assert found[GPT] > found["qwen2.5:14b"]


def test_the_best_ones_keep_their_order_however_generous_a_person_rates() -> None:
    best = ["qwen3.5:122b", "qwen3.6:27b", "gemma4:31b", "qwen3:32b", "llama3.3:70b"]
    plain, shifted = (
        believed([], *best),
        believed(
            [ModelSpec(id=f"llama3.2:{size}", quality_rating=10) for size in ("1b", "3b")], *best
        ),
    )
    assert sorted(best, key=lambda name: plain[name]) == sorted(
        best, key=lambda name: shifted[name]
    )
    assert max(shifted.values()) <= 10
    assert len({round(shifted[name], 3) for name in best}) == len(best)


def test_a_rating_of_a_model_whose_size_nobody_knows_shifts_nothing() -> None:
    assert believed([ModelSpec(id="mine", quality_rating=9.5)], GPT)[GPT] == believed([], GPT)[GPT]


def test_a_rated_model_is_recognised_by_what_its_provider_says_of_it_also_while_that_is_down() -> (
    None
):
    spec, other = (
        ModelSpec(id="mine", quality_rating=9.5),
        ModelState(ModelSpec(id=GPT), unlisted=True),
    )
    book, it = (
        QualityPriors([spec]),
        Identity("mine", basename="Qwen3", size_label="8B", params_b=8.19),
    )
    shifts = [
        book.with_priors([ModelState(spec), other], found, True).states[1].prior
        for found in ({1: Identity(GPT)}, {0: it, 1: Identity(GPT)}, {1: Identity(GPT)})
    ]
    before, there, down = (each.mean for each in shifts if each)
    assert before + 0.05 < there == down


# ---------------------------------------------------------------- preferences, and cost


def test_preferences_are_the_shipped_ones_where_nobody_wrote_others() -> None:
    own = {
        "version": 1,
        "task_types": {"coding": {"prefer": [LLAMA]}, "simple": {"quality_floor": 4}},
    }
    assert load_config().shipped_prefer == frozenset(TaskType)
    assert config_from_data(None, own).shipped_prefer == frozenset(TaskType) - {TaskType.CODING}


def test_a_model_is_recognised_once_however_often_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[Identity]()
    real = estimate.estimate_prior

    def counted(identity: Identity, known: KnownModels) -> estimate.PriorEstimate:
        asked.append(identity)
        return real(identity, known)

    monkeypatch.setattr(estimate, "estimate_prior", counted)
    states = [ModelState(ModelSpec(id=f"mine-{n}:8b"), unlisted=True) for n in range(5)]
    identities = {at: Identity(state.spec.id) for at, state in enumerate(states)}
    book = QualityPriors([])
    for _ in range(3):
        book.with_priors(states, identities, True)
    assert len(asked) == len(set(asked)) == 5


def test_where_the_shipped_ratings_hold_the_known_models_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "orch.routing.known_models.model_list.load_shipped", lambda: pytest.fail("read")
    )
    spec = SHIPPED[0]
    assert (
        QualityPriors([spec], SHIPPED)
        .with_priors([ModelState(spec)], {0: Identity(spec.id)}, True)
        .only_shipped
    )


# ---------------------------------------------------------------- the faces


def listed(name: str) -> Json:
    """A model as `orch models --json` shows it."""
    return next(
        each for each in json.loads(orch("models", "--json").stdout)["models"] if each["id"] == name
    )


def test_models_shows_the_quality_and_where_it_comes_from(ollama: FakeOllama, home: Path) -> None:
    ollama.add(
        FakeModel(
            MINE,
            metadata={
                "general.basename": "Qwen3",
                "general.size_label": "8B",
                "general.parameter_count": 8_190_000_000,
            },
        )
    )
    shown = listed(MINE)
    assert (shown["quality"]["coding"], shown["quality_rating"]) == (5.8, None)
    assert shown["quality_source"] == "benchmarks (12, 2026-07)"
    assert "benchmarks (12, 2026-07)" in orch("models", "show", MINE).stdout.decode()
    (row,) = (line for line in orch("models").stdout.decode().splitlines() if line.startswith(MINE))
    assert "6.2 benchmarks" in row


@pytest.mark.parametrize(
    "metadata",
    [
        {
            "general.basename": 7,
            "general.size_label": None,
            "general.parameter_count": 0,
            "general.finetune": ["x"],
        },
        {
            "general.parameter_count": "many",
            "llama.expert_count": 8,
            "llama.expert_used_count": "two",
        },
        {"general.basename": "", "general.parameter_count": -1},
    ],
)
def test_wrong_metadata_is_guessed_over_and_said_as_such(
    ollama: FakeOllama, home: Path, metadata: Json
) -> None:
    ollama.add(FakeModel("renamed", size=0, parameter_size="0", metadata=metadata))
    assert listed("renamed:latest")["quality_source"] == "guessed, its size is unknown"


def test_a_decision_says_where_a_quality_comes_from(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel(MINE))
    candidates = json.loads(orch("route", "--json", "Sort a list in Python").stdout)["decision"][
        "candidates"
    ]
    said = {each["model_id"]: each["provenance"].get("quality") for each in candidates}
    assert (said[MINE], said[LLAMA].split(" ")[0]) == ("guessed from size", "benchmarks")


def test_adding_a_model_writes_no_rating_that_nobody_gave(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel(MINE))
    assert orch("models", "add", MINE).returncode == 0
    assert (listed(MINE)["quality_rating"], listed(MINE)["quality_source"]) == (
        None,
        "guessed from size",
    )


OWN = """version: 1
models:
  - {name: mine-8b, family: mine, params_b: 8,
     modes: {on: {coding: 9, reasoning: 9, exploration: 9, writing: 9, simple: 9, analysis: 9,
                  creative: 9, research: 9}}}
"""


def test_a_user_s_known_models_add_to_the_package_s(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel(MINE))
    home.mkdir()
    (home / "known_models.yaml").write_text(OWN)
    assert listed(MINE)["quality"]["coding"] == 9.0
    assert str(home / "known_models.yaml") in orch("config", "path").stdout.decode()
    (home / "known_models.yaml").write_text(OWN.replace("coding: 9", "coding: 8"))
    assert listed(MINE)["quality"]["coding"] == 8.0


def test_once_they_were_checked_they_take_neither_yaml_nor_pydantic_to_be_read(
    ollama: FakeOllama, home: Path
) -> None:
    ollama.add(FakeModel(MINE))
    home.mkdir()
    (home / "known_models.yaml").write_text(OWN)
    assert listed(MINE)["quality"]["coding"] == 9.0
    heavy = ("yaml", "pydantic", "numpy")
    code = (
        "import sys\nsys.argv = ['orch', 'route', 'hi']\nfrom orch.cli.main import"
        " command\ncommand()\n"
    )
    code += f"print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
        == "[]"
    )


def test_every_fault_of_a_user_s_known_models_is_told_at_once_with_its_place(
    ollama: FakeOllama, home: Path
) -> None:
    home.mkdir()
    (home / "known_models.yaml").write_text(
        OWN.replace("coding: 9", "coding: 19")
        + "  - {name: x, famly: y, params_b: 2, active_b: 3}\n"
    )
    found = orch("run", "hi")
    said = found.stderr.decode()
    assert (found.returncode, ollama.chats()) == (2, [])
    assert f"{home / 'known_models.yaml'}:4:" in said
    assert "models[0].modes.on.coding: must be less than or equal to 10" in said
    assert "known_models.yaml:6:15: models[1].famly: unknown key, did you mean family?" in said


def test_a_broken_file_of_known_models_gives_no_traceback(home: Path) -> None:
    home.mkdir()
    for text in (
        b"models: [",
        b"\xff\xfe",
        b"- x\n",
        b"version: 2\n",
        b"models: {}\n",
        b"formula: {coding: 5}\n",
        b"families: {a: {offset: {dancing: 1}}}\n",
        b"families: {a: {offset: {coding: 1e999}}}\n",
    ):
        (home / "known_models.yaml").write_bytes(text)
        found = orch("config", "validate")
        assert (
            found.returncode,
            b"Traceback" in found.stderr,
            b"known_models.yaml" in found.stderr,
        ) == (2, False, True)


def test_the_shipped_models_are_those_of_the_file() -> None:
    text = packaged_file("models").read_text(encoding="utf-8")
    assert all(f"id: {spec.id}" in text for spec in SHIPPED)
    assert len(SHIPPED) == text.count("  - id:")


MIXTURE = {
    "general.architecture": "qwen3moe",
    "general.parameter_count": 30_532_122_624,
    "qwen3moe.block_count": 48,
    "qwen3moe.embedding_length": 2048,
    "qwen3moe.expert_count": 128,
    "qwen3moe.expert_feed_forward_length": 768,
    "qwen3moe.expert_used_count": 8,
}


async def test_the_active_size_of_a_mixture_is_told_by_its_metadata(server: FakeOllama) -> None:
    server.add(FakeModel("mixed", metadata=MIXTURE))
    server.add(FakeModel("wrong", metadata={**MIXTURE, "qwen3moe.expert_count": 10**9}))
    backend = OllamaClient(Provider(kind="ollama", base_url=server.url))
    try:
        assert (await backend.info("mixed")).active_b == pytest.approx(3.35, abs=0.01)
        assert (await backend.info("wrong")).active_b is None
    finally:
        await backend.aclose()


async def test_an_adapter_makes_another_model_of_a_known_one(
    ollama: FakeOllama, home: Path
) -> None:
    qwen = {
        "general.basename": "Qwen3",
        "general.size_label": "8B",
        "general.parameter_count": 8_190_000_000,
    }
    for name, more in (("plain", ""), ("tuned", "ADAPTER ./lora.gguf\n")):
        ollama.add(FakeModel(name, metadata=qwen, modelfile=more))
    assert listed("plain:latest")["quality_source"].startswith("benchmarks")
    assert (
        listed("tuned:latest")["quality_source"]
        == "guessed from size and date, as a relative of qwen3-8b"
    )


async def test_what_an_older_orch_kept_of_a_model_is_asked_again_for_its_metadata(
    ollama: FakeOllama, home: Path
) -> None:
    ollama.add(
        FakeModel(
            MINE, metadata={"general.basename": "Qwen3", "general.parameter_count": 8_190_000_000}
        )
    )
    async with Orchestrator() as orchestrator:
        await orchestrator.runtime.registry.snapshot()
        orchestrator.runtime.journal.database.rows(
            "UPDATE model_info SET info = json_remove(info, '$.basename') RETURNING digest"
        )
        assert prior(await orchestrator.runtime.registry.snapshot(), MINE).source.startswith(
            "benchmarks"
        )
        asked = [request.path for request in ollama.requests].count("/api/show")
        await orchestrator.runtime.registry.snapshot()
    assert asked == 6 == [request.path for request in ollama.requests].count("/api/show")
