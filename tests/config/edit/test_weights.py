"""Saving weights changes nothing else in routing.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.discovery import packaged_file
from orch.config.edit.weights import WeightsFile, format_weight, normalize_weights
from orch.config.load import load_config
from orch.errors import ConfigError

WEIGHTS = {"fit": 0.1, "quality": 0.5, "speed": 0.3, "confidence": 0.1}
LINE = "weights: {fit: 0.10, quality: 0.50, speed: 0.30, confidence: 0.10}"


@pytest.fixture
def own(home: Path) -> Path:
    home.mkdir()
    return home / "routing.yaml"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version: 1\n", f"version: 1\n{LINE}\n"),
        ("# mine\njournal: off", f"# mine\njournal: off\n{LINE}\n"),
        (
            "version: 1  # the form\r\njournal: off\r\n",
            f"version: 1  # the form\r\n{LINE}\r\njournal: off\r\n",
        ),
        (
            (
                "# ñ 😀\nweights:\n  fit: 0.2    # words\n  speed: 3.0e-1\n  quality: .4\n "
                " confidence: '0.1'\n\nprofiles: {} # none\n"
            ),
            (
                "# ñ 😀\nweights:\n  fit: 0.10    # words\n  speed: 3.0e-1\n  quality: 0.50\n "
                " confidence: 0.10\n\nprofiles: {} # none\n"
            ),
        ),
        ("{version: 1}\n", f"{{version: 1, {LINE}}}\n"),
        (
            "{weights: {fit: 1, quality: 0, speed: 0, confidence: 0}, version: 1}",
            "{weights: {fit: 0.10, quality: 0.50, speed: 0.30, confidence: 0.10}, version: 1}",
        ),
        (
            (
                "\ufeffversion: 1\nweights: {fit: '${W:-0.7}', quality: .1, speed: .1, confidence:"
                " .1}\n"
            ),
            f"\ufeffversion: 1\n{LINE.replace('0.10}', '.1}')}\n",
        ),
    ],
)
def test_only_the_numbers_change(own: Path, before: str, after: str) -> None:
    own.write_bytes(before.encode())
    own.chmod(0o640)
    WeightsFile.read().save(WEIGHTS)
    assert own.read_bytes().decode() == after
    assert own.stat().st_mode & 0o777 == 0o640
    assert load_config().routing.weights.as_dict() == WEIGHTS
    assert [path.name for path in own.parent.glob(".routing*")] == []


def test_in_a_copy_of_the_shipped_file_only_the_weights_change(own: Path) -> None:
    own.write_bytes(packaged_file("routing").read_bytes())
    before = own.read_bytes().decode().splitlines(keepends=True)
    WeightsFile.read().save(WEIGHTS)
    after = own.read_bytes().decode().splitlines(keepends=True)
    changed = [line for old, line in zip(before, after, strict=True) if old != line]
    assert changed == [f"{LINE}\n"]


def test_the_users_file_is_created_if_the_shipped_one_is_in_use(home: Path) -> None:
    file = WeightsFile.read()
    assert (file.path, file.is_new, home.exists()) == (home / "routing.yaml", True, False)
    assert [line for line in file.diff(WEIGHTS) if line.startswith("+w")] == [f"+{LINE}"]
    file.save(WEIGHTS)
    assert file.path.stat().st_mode & 0o777 == 0o600
    config = load_config()
    assert config.routing.weights.as_dict() == WEIGHTS
    assert config.routing.task_types  # the rest is the shipped one's


def test_a_link_stays_a_link(own: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles.yaml").write_text("version: 1\n")
    own.symlink_to(tmp_path / "dotfiles.yaml")
    WeightsFile.read().save(WEIGHTS)
    assert own.is_symlink()
    assert LINE in (tmp_path / "dotfiles.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            (
                "profiles: {speed: &w {fit: .25, quality: .25, speed: .25, confidence:"
                " .25}}\nweights: *w\n"
            ),
            "only a person",
        ),
        ("weights: {fit: 1}\n", "must name"),
        ("weights: [", "not valid YAML"),
    ],
)
def test_a_file_that_can_not_be_edited_is_refused_and_unchanged(
    own: Path, text: str, message: str
) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError, match=message):
        WeightsFile.read()
    assert own.read_text() == text


def test_an_invalid_result_is_not_written(own: Path) -> None:
    own.write_text("version: 1\n")
    with pytest.raises(ConfigError, match=r"sum to 1\.1"):
        WeightsFile.read().save({**WEIGHTS, "speed": 0.4})
    assert own.read_text() == "version: 1\n"


def test_a_concurrent_change_is_not_overwritten(own: Path) -> None:
    own.write_text("version: 1\n")
    file = WeightsFile.read()
    own.write_text("version: 1\njournal: off\n")
    with pytest.raises(ConfigError, match="has changed since"):
        file.save(WEIGHTS)
    own.unlink()
    begun = WeightsFile.read()
    own.write_text("version: 1\n")
    with pytest.raises(ConfigError, match="has changed since"):
        begun.save(WEIGHTS)


def test_normalizing_keeps_proportions() -> None:
    assert normalize_weights({"fit": 0.5, "quality": 0.5, "speed": 0.5, "confidence": 0.0}) == {
        "fit": 0.34,
        "quality": 0.33,
        "speed": 0.33,
        "confidence": 0.0,
    }
    assert set(normalize_weights(dict.fromkeys(WEIGHTS, 0.0)).values()) == {0.25}
    assert [format_weight(weight) for weight in (0.2, 0.125, 1)] == ["0.20", "0.125", "1.00"]
