"""Imports point down only: each layer knows the ones before it, and none beside it unless it says so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "orch"
LAYERS = [
    {"version"},
    {"types"},
    {
        "bench.far",
        "bench.jail",
        "classifier.openings",
        "classifier.vocabulary",
        "aside",
        "errors",
        "files",
        "folding",
        "grades",
        "installed",
        "known_models.identity",
        "known_models.names",
        "speeds",
        "journal_tables",
        "markdown",
        "memory.noise",
        "near.function_words",
        "near.vocabulary",
        "paths",
        "quality.table",
        "quality.words",
        "redact.forms",
        "redact.rule",
        "redact.view",
        "slices",
        "server.json_values",
        "server.threads",
        "server.client",
        "server.needs",
        "server.owner",
        "server.refusals",
        "server.visit",
        "terminal",
    },
    {"lines", "redact.blocks", "redact.names", "redact.vendors"},
    {"redact.values"},
    {"redact.assignments", "redact.commands", "redact.headers", "redact.tables", "redact.urls"},
    {"redact.search"},
    {"redact"},
    {
        "server.hosts",
        "server.keys",
        "server.protocol",
        "socket_path",
        "bench.copies",
        "bench.sandbox",
        "config.addresses",
        "config.find",
        "config.patterns",
        "config.source",
        "config.spec",
        "config.variables",
        "database_file",
        "json_form",
        "json_schema",
        "known_models.catalogue",
        "known_models.regression",
        "machine",
        "near.frames",
        "near.lexicon",
        "quality.lines",
        "stats",
        "backends.overflow",
    },
    {"database"},
    {
        "backends.addresses",
        "config.known",
        "config.secrets",
        "fingerprint",
        "periods",
        "remote",
        "model_state",
        "remote_models",
        "judgements",
        "measurements",
        "memory.documents",
        "backends.proxies",
        "backends.bounds",
        "bench.across",
        "memory.engine",
        "memory.store",
        "server.lock",
        "known_models.recognition",
        "near.tokens",
        "quality.learn",
    },
    {
        "bench.report",
        "config.schema",
        "server.logins",
        "config.trust",
        "known_models.priors",
        "journal",
        "task",
        "policy",
        "classifier.rules",
        "backends.messages",
        "backends.ollama_models",
        "backends.transport",
        "backends.wire",
        "render",
        "memory.edge_forms",
        "memory.lock",
        "memory.notes",
        "memory.probe",
        "memory.room",
        "memory.sums",
        "memory.source",
        "near.reading",
        "quality.model",
    },
    {
        "journal_copies",
        "screens",
        "backends.http",
        "bench.curve",
        "bench.schema_check",
        "cache",
        "classifier.features",
        "config.check",
        "conversation",
        "known_models.derive",
        "quality_priors",
        "memory.edge",
        "memory.qdrant",
        "memory.text",
        "near.guards",
        "quality",
        "request",
        "expected_time",
    },
    {"scoring", "backends.ollama", "backends.openai", "bench.suite", "classifier.learned", "classifier.train.rows", "config.load", "judged", "memory.fuse"},
    {
        "backends",
        "backends.llamacpp",
        "router",
        "bench.reading",
        "classifier.classifier",
        "classifier.train.fitting",
        "classifier.train.report",
        "classifier.train.teacher",
        "models_file",
    },
    {"bench.graders", "classifier.train.__main__", "routing_file", "reach", "selection"},
    {"classifier", "bench.routing"},
    {"registry", "memory.embed", "memory.shared"},
    {"gate", "model_facts"},
    {"no_model", "server.queue", "server.residency"},
    {"server.turns"},
    {"memory.index"},
    {"memory.opening", "memory.operations", "memory.recall"},
    {"memory.lazy"},
    {"memory.held", "nearest"},
    {"reuse"},
    {"runtime"},
    {"attempt", "decide", "model_table", "pulling"},
    {"bench.plan", "bench.quality", "health", "outcome", "rating", "replay"},
    {"bench.chart", "bench.speed", "run"},
    {"orchestrator"},
    {"server.conversations", "server.guard", "server.journal", "server.metrics", "server.names", "server.survey", "loading"},
    {"server.wiring"},
    {"server.service"},
    {"server.exchange", "server.reload", "server.pulls"},
    {"server.asking", "server.openai_forms", "server.openai_tools"},
    {"server.openai_items", "server.openai_output"},
    {"server.embedding", "server.ollama_forms", "server.own_forms"},
    {"server.ollama_api", "server.openai_chat", "server.own_api"},
    {"server.ollama_models", "server.openai_completions", "server.openai_embeddings", "server.openai_models", "server.openai_responses"},
    {
        "server.ui.chat_fold",
        "server.ui.memory_words",
        "server.ui.models_words",
        "server.ui.reasons",
        "server.ui.rendered",
        "server.ui.tables",
        "server.ui.words",
    },
    {"server.ui.activity_journal", "server.ui.chat_files", "server.ui.chat_run", "server.ui.login", "server.ui.page"},
    {
        "server.ui.activity_history",
        "server.ui.activity_live",
        "server.ui.chat_asking",
        "server.ui.chat_past",
        "server.ui.chat_text",
        "server.ui.decision",
        "server.ui.memory_row",
        "server.ui.models_change",
        "server.ui.models_heat",
        "server.ui.models_list",
        "server.ui.models_memory",
        "server.ui.models_pull",
        "server.ui.settings_file",
        "server.ui.settings_replay",
    },
    {
        "server.ui.activity_charts",
        "server.ui.activity_run",
        "server.ui.chat_why",
        "server.ui.chat_words",
        "server.ui.memory_asking",
        "server.ui.models",
        "server.ui.settings",
    },
    {"server.ui.activity", "server.ui.chat_answer", "server.ui.memory_one"},
    {"server.ui.chat_choice", "server.ui.chat_turn", "server.ui.memory"},
    {"server.ui.chat_conversation"},
    {"server.ui.chat"},
    {"server.ui.mount"},
    {"server.app"},
    {"server.process"},
    {"setup.choices", "setup.hardware", "setup.start", "setup.web"},
    {"setup.download", "setup.engine", "setup.offers"},
    {"setup.library", "setup.look", "setup.words"},
    {"setup.doing"},
    {"cli.stdin", "cli.opening", "cli.swap", "cli.thin"},
    {"cli.argv", "cli.page", "cli.serve"},
    {"cli.classify", "cli.run", "cli.models", "cli.health", "cli.stats", "cli.config", "cli.cache", "cli.journal", "cli.setup"},
    {"cli.bench_quality", "cli.rate", "cli.replay", "cli.route"},
    {"cli.memory"},
    {"cli.bench", "cli.chat"},
    {"cli.main"},
]
"""The lowest first. `orch`, `bench`, `classifier.train`, `config`, `memory`, `near`, `setup` and `cli` themselves hold no code of their own."""
PLACE = {name: number for number, layer in enumerate(LAYERS) for name in layer}
BESIDE = {("cli.run", "cli.route"), ("cli.thin", "cli.run")}
"""--dry-run is `orch route`; a run by a server is shown as any other."""
RICH, BARE = {"render", "screens"}, {"", "server", "bench", "classifier.train", "cli", "config", "known_models", "memory", "near", "server.ui", "setup"}


@cache
def modules() -> dict[str, Path]:
    """Every module of orch by its dotted name inside the package."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip("."): path for path in ROOT.rglob("*.py")}


def imported(path: Path) -> Iterator[str]:
    """What a module imports from orch, by dotted name, lazily or not; what only the type checker sees is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {id(each) for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" for each in ast.walk(node)}
    known = modules()
    for node in ast.walk(tree):
        if id(node) in unseen or not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("orch"):
            continue
        base = (node.module or "").removeprefix("orch").lstrip(".")
        for alias in node.names:
            full = f"{base}.{alias.name}".lstrip(".")
            yield full if full in known else base


def test_every_module_has_its_layer() -> None:
    assert set(modules()) - BARE == set(PLACE)


@pytest.mark.parametrize("name", sorted(PLACE))
def test_imports_point_down(name: str) -> None:
    up = [other for other in imported(modules()[name]) if other not in BARE and PLACE[other] >= PLACE[name] and (name, other) not in BESIDE]
    assert not up


def importers_of(library: str) -> set[str]:
    return {name for name, path in modules().items() if library in {root.split(".")[0] for root in _roots(path)}}


def test_only_what_prints_imports_rich() -> None:
    assert importers_of("rich") == RICH


def test_only_the_page_imports_nicegui_and_only_config_schema_pydantic_on_the_commands_path() -> None:
    assert {name for name in importers_of("nicegui") if not name.startswith("server.ui")} == set()
    assert {name for name in importers_of("pydantic") if not name.startswith("server.")} == {"config.schema", "bench.schema_check"}


def test_what_runs_beside_judged_code_imports_nothing_of_orch_but_its_own_kind() -> None:
    kin = {"bench.jail", "bench.across", "bench.copies", "bench.far"}
    assert {other for name in kin for other in imported(modules()[name])} - BARE <= kin


PRINTERS = {"render", "terminal", "classifier.train.__main__", "known_models.derive", "json_schema", "cli.main"}
"""The two that print, two commands of the developers', a child that answers its parent through a pipe, and Typer's own `--version`."""
PRINTING = {"print", "input", "typer.echo", "typer.secho", "typer.prompt", "typer.confirm", "click.echo", "Console"}


def test_nothing_is_printed_past_the_one_place_that_knows_terminals() -> None:
    printers = {name for name, path in modules().items() if _printed(path)}
    assert printers - PRINTERS == set()


def _printed(path: Path) -> list[str]:
    """What a module calls that writes to stdout or stderr by itself."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call for call in calls if call in PRINTING or re.match(r"sys\.(__)?std(out|err)\b.*\.write(lines)?$", call)]


def _roots(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
