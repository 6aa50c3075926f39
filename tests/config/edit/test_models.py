"""Changes to models.yaml that are shown first change nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orch.config.discovery import packaged_file
from orch.config.edit import models as edit_models
from orch.config.load import load_config
from orch.errors import ConfigError
from orch.types import ModelKey
from tests.conftest import LLAMA
from tests.support.own_models import OWN, PROVIDERS, Write

HELD = f"""# my models
version: 1
providers: {{ollama: {{kind: ollama, base_url: http://127.0.0.1:11434}}}}
models:
- id: {LLAMA}    # fast
  system: |
    Be short.

    # Above all
  speed_rating: 9
# clever
- name: Clever
  id: qwen3
"""


def entry(name: str) -> dict[str, Any]:
    """The entry of an installed model of that name."""
    return {"id": name, "provider": "ollama", "quality_rating": 6.5, "speed_rating": 8.0}


@pytest.mark.parametrize("text", [HELD, HELD.replace("\n", "\r\n"), OWN])
def test_listing_a_removed_model_again_restores_the_file(own: Write, text: str) -> None:
    file = own("")
    file.write_bytes(text.encode())
    edit_models.propose_listing(None, [], [ModelKey("ollama", LLAMA)], "use").write()
    assert {spec.id for spec in load_config().models.models} == {"qwen3"} - (
        {"qwen3"} if text == OWN else set()
    )
    assert "#- id: " in file.read_text()
    edit_models.propose_listing(None, [entry(LLAMA)], [], "use").write()
    assert file.read_bytes().decode() == text


def test_each_removed_model_is_its_own_comment_and_other_comments_stay(
    own: Write,
) -> None:
    own(HELD)
    change = edit_models.propose_listing(
        None, [], [ModelKey("ollama", LLAMA), ModelKey("ollama", "qwen3:latest")], "use"
    )
    assert "\n    # Above all" not in change.after
    assert "\n# clever\n#- name: Clever\n#  id: qwen3\n" in change.after
    own(change.after)
    again = edit_models.propose_listing(None, [entry("qwen3:latest")], [], "use")
    assert "\n# clever\n- name: Clever\n  id: qwen3\n" in again.after
    assert f"#- id: {LLAMA}" in again.after


def test_an_entry_of_a_flow_list_is_removed_and_guessed_keys_are_marked(
    own: Write,
) -> None:
    own(f"{PROVIDERS}models: [{{id: {LLAMA}}}, {{id: x}}]\n")
    change = edit_models.propose_listing(None, [entry("new:1b")], [ModelKey("ollama", "x")], "use")
    assert LLAMA in change.after
    assert "id: x" not in change.after
    assert any("guessed from its size" in line for line in change.diff() if line.startswith("+"))


@pytest.mark.parametrize(
    "head", ["", "version: 1\n", "# mine\nversion: 1\nunlisted: use   # for now\n"]
)
def test_only_the_setting_for_unlisted_models_is_written(own: Write, head: str) -> None:
    file = own(f"{head}{PROVIDERS}")
    change = edit_models.propose_listing(None, [], [], "ignore")
    assert [line for line in change.diff() if line[0] in "+-"][-1].startswith("+unlisted: ignore")
    assert len(change.after.splitlines()) == len(change.before.splitlines()) + (
        "unlisted" not in head
    )
    change.write()
    assert file.read_text().startswith(head.partition("version")[0])
    assert load_config().models.unlisted == "ignore"


def test_a_change_is_not_written_to_a_file_that_was_changed(own: Write, home: Path) -> None:
    new_file = edit_models.propose_listing(None, [], [], "ignore")
    assert (new_file.is_new, (home / "models.yaml").exists()) == (True, False)
    file = own(OWN)
    change = edit_models.propose_listing(None, [], [], "ignore")
    file.write_text(HELD)
    for each in (new_file, change):
        with pytest.raises(ConfigError, match="has changed since"):
            each.write()
    assert file.read_text() == HELD
    file.unlink()
    new_file.write()
    assert (file.stat().st_mode & 0o777, load_config().models.unlisted) == (0o600, "ignore")


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        ("models: [\n", "x"),
        (OWN, "nowhere:1b"),
        (f"{PROVIDERS}models:\n- {{id: x, speed_rating: 99}}\n", LLAMA),
    ],
)
def test_an_impossible_change_is_refused_before_anything_is_written(
    own: Write, text: str, dropped: str
) -> None:
    file = own(text)
    with pytest.raises(ConfigError):
        edit_models.propose_listing(None, [], [ModelKey("ollama", dropped)], "ignore")
    assert file.read_text() == text


def test_a_byte_order_mark_and_a_link_stay(own: Write, home: Path, tmp_path: Path) -> None:
    file = own("")
    file.rename(tmp_path / "dotfiles.yaml")
    file.symlink_to(tmp_path / "dotfiles.yaml")
    file.write_bytes(b"\xef\xbb\xbf" + PROVIDERS.encode())
    edit_models.propose_listing(None, [], [], "ignore").write()
    assert (file.is_symlink(), file.read_bytes()) == (
        True,
        b"\xef\xbb\xbfunlisted: ignore\n" + PROVIDERS.encode(),
    )
    edit_models.add_model(file, {"id": "x"})
    assert file.read_bytes().startswith(b"\xef\xbb\xbfunlisted")
    assert [spec.id for spec in load_config().models.models] == ["x"]


def test_in_a_copy_of_the_shipped_file_only_the_new_lines_are_added(own: Write) -> None:
    text = packaged_file("models").read_text(encoding="utf-8")
    file = own(text)
    edit_models.add_model(file, entry("new:1b"), edit_models.GUESSED)
    assert file.read_text() == text + (
        "  - id: new:1b\n    provider: ollama\n    quality_rating: 6.5\n"
        "    speed_rating: 8.0  # guessed from its size, until measured\n"
    )
    change, name = edit_models.propose_provider(
        None, "ollama", {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}
    )
    assert [line for line in change.diff() if line[0] in "+-"] == [
        f"+  {name}:",
        "+    kind: openai",
        "+    base_url: http://127.0.0.1:1/v1",
    ]


def test_an_embedded_model_that_is_listed_gets_only_its_new_values(own: Write) -> None:
    own(packaged_file("models").read_text(encoding="utf-8"))
    change = edit_models.propose_embedded_model(
        None, {"id": "smollm2-135m-instruct", "num_ctx": 4096, "max_tokens": 256}
    )
    assert [line for line in change.diff() if line[0] in "+-"] == [
        "-    num_ctx: 8192",
        "+    num_ctx: 4096",
    ]
