"""A configuration that a library user passes: paths, folders, parsed data, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orch.config.explicit import config_from
from orch.config.load import load_config
from orch.config.spec import Models, ModelSpec, Provider
from orch.errors import ConfigError
from tests.support.config_folder import write_config

TEXT = (
    "version: 1\nproviders: {p: {kind: ollama, base_url: 'http://127.0.0.1:1'}}\n"
    "models: [{id: x, provider: p}]\n"
)
DATA: dict[str, Any] = {
    "providers": {"p": {"kind": "ollama", "base_url": "http://127.0.0.1:1"}},
    "models": [{"id": "x", "provider": "p"}],
}
VALUES = Models(
    providers={"p": Provider(kind="ollama", base_url="http://127.0.0.1:1")},
    models=(ModelSpec(id="x", provider="p"),),
)


@pytest.mark.parametrize("kind", ["folder", "file", "text", "data", "values"])
def test_the_models_are_the_same_in_every_form(tmp_path: Path, kind: str) -> None:
    folder = write_config(tmp_path, TEXT)
    file = folder / "models.yaml"
    forms: dict[str, Any] = {
        "folder": folder,
        "file": file,
        "text": str(file),
        "data": DATA,
        "values": VALUES,
    }
    config = config_from(forms[kind], None)
    assert [(model.id, model.provider) for model in config.models.models] == [("x", "p")]
    assert config.routing == load_config().routing


def test_without_arguments_it_is_what_the_command_would_load() -> None:
    assert config_from(None, None) == load_config()


def test_short_forms_work_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text("journal: off\n")
    modes = [
        config_from(DATA, form).routing.journal.mode
        for form in (tmp_path / "routing.yaml", {"journal": "off"})
    ]
    assert modes == ["off", "off"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"models: [", "not valid YAML"),
        (b"\xff", "can't decode byte 0xff"),
        (b"#" * 1_000_001, "has over 1,000,000 bytes"),
        (b"providers: {}\nmodels: [{id: x, speed: 1}]", "unknown key"),
        (None, "No such file"),
    ],
)
def test_a_file_that_can_not_be_used_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "m.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        config_from(file, None)
