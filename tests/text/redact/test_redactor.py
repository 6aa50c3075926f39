"""The Redactor on whole texts and values: own patterns, allowed forms, old files, dicts, limits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orch.config import load, spec
from orch.errors import ConfigError
from orch.text.redact import Redactor, assignments, detectors, is_retired_pattern
from orch.text.redact.detectors import find_secrets
from orch.text.redact.redactor import AFTER_CHARS, BEFORE_CHARS, PIECE_CHARS
from orch.text.redact.secret_names import NameKind
from orch.text.redact.secret_values import ValueStyle
from orch.text.redact.text_view import Span
from tests.support.secret_samples import key_of

KEY = key_of("ghp_{A36}")
OLD_JWT = r"\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{4,1000}"


def config(**redaction: object) -> spec.Redaction:
    return load.config_from_data(None, {"redaction": redaction}, {}).routing.redaction


def test_a_users_pattern_adds_to_the_shipped_forms() -> None:
    redactor = Redactor({"badge": r"\bB-(?P<secret>\d{4})\b"})
    assert (
        redactor.redact(f"B-1234 and {KEY}") == "B-[redacted: badge] and [redacted: github_token]"
    )


def test_a_form_may_be_allowed() -> None:
    assert Redactor({}, ["github_token"]).redact(f"{KEY} a@b") == f"{KEY} a@b"


def test_nothing_is_redacted_if_disabled() -> None:
    off = Redactor({"badge": r"\d+"}, enabled=False)
    assert off.redact_all({"password": KEY, "n": "12"}) == {"password": KEY, "n": "12"}


def test_the_users_file_keeps_the_shipped_forms() -> None:
    rule = config(patterns={"badge": r"\bB-\d{4}\b"}, allow=["jwt"])
    assert (rule.enabled, dict(rule.patterns), rule.allow) == (
        True,
        {"badge": r"\bB-\d{4}\b"},
        ("jwt",),
    )


def test_the_patterns_of_an_old_routing_yaml_are_ignored() -> None:
    assert is_retired_pattern(OLD_JWT)
    assert config(patterns={"jwt": OLD_JWT}).patterns["jwt"] == OLD_JWT
    assert not Redactor({"jwt": OLD_JWT})._sources


@pytest.mark.parametrize(
    ("redaction", "message"),
    [
        ({"patterns": {"slow": r"(a+)+b"}}, "too long"),
        ({"patterns": {f"p{n}": r"a{0,200}b{0,200}c{0,150}" for n in range(12)}}, "before it"),
        ({"patterns": {"broken": "("}}, "not a regular expression"),
        ({"allow": ["github"]}, "unknown form 'github'"),
    ],
)
def test_an_invalid_pattern_or_form_name_is_refused_with_its_position(
    redaction: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**redaction)


def test_a_value_in_a_dict_is_recognized_by_its_key() -> None:
    value = {
        "user": "bob",
        "password": "hunter2" + "secret",
        "nested": [{"apiKey": "Zx9kQ7vLw2" + "Rt5m"}],
    }
    assert Redactor({}).redact_all(value) == {
        "user": "bob",
        "password": "[redacted: assignment]",
        "nested": [{"apiKey": "[redacted: assignment]"}],
    }


def test_a_key_of_a_dict_is_redacted_too() -> None:
    assert Redactor({}).redact_all({KEY: 1}) == {"[redacted: github_token]": 1}


def test_a_text_without_secrets_is_the_same_object() -> None:
    text = "What is a token? " * 1_000
    assert Redactor({}).redact(text) is text


def test_a_clean_text_stays_clean() -> None:
    redactor = Redactor({})
    clean = redactor.redact(f"{KEY} password: {KEY}")
    assert (
        redactor.redact(clean)
        == clean
        == "[redacted: github_token] password: [redacted: github_token]"
    )


def test_an_ordinary_prompt_loads_no_detector() -> None:
    program = (
        "import sys; from orch.text.redact import Redactor; r = Redactor({}); r.redact('Write a"
        " haiku about the sea, in three lines.'); print(*sorted(m for m in sys.modules if"
        " m.startswith('orch.text.redact')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.split() == [
        "orch.text.redact",
        "orch.text.redact.detectors",
        "orch.text.redact.redactor",
        "orch.text.redact.text_view",
    ]


def test_the_shipped_file_has_no_patterns_of_its_own() -> None:
    shipped = yaml.safe_load(
        (Path(__file__).parents[3] / "routing.yaml").read_text(encoding="utf-8")
    )
    assert shipped["redaction"] == {"enabled": True, "patterns": {}, "allow": []}


def test_names_with_secrets_stay_apart() -> None:
    redactor = Redactor({})
    one, two = redactor.redact_name(KEY), redactor.redact_name(key_of("ghp_{A40}"))
    assert one != two
    assert KEY not in str(one)
    assert (redactor.redact_name("work"), redactor.redact_name(None)) == ("work", None)


@pytest.mark.parametrize(
    "text", ["word " * 100_000, "password=" * 50_000, "-----BEGIN PRIVATE KEY-----" * 10_000]
)
def test_a_long_text_is_searched_once_and_in_bounded_pieces(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []

    def counted(piece: str) -> Iterator[Span]:
        given.append(len(piece))
        return find_secrets(piece)

    monkeypatch.setattr(detectors, "find_secrets", counted)
    Redactor({}).redact(text)
    assert max(given) <= BEFORE_CHARS + PIECE_CHARS + AFTER_CHARS
    assert sum(given) <= 1.1 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "key=" * 5_000,
        "password: " * 2_000,
        "la contraseña es " * 1_000,
        "| password | x1 |" * 1_000,
        '{"token": "' * 1_000,
    ],
)
def test_a_value_is_classified_by_its_beginning(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def counted(value: str, kind: NameKind, style: ValueStyle, *, ends: bool = True) -> bool:
        judged.append(len(value))
        return False

    monkeypatch.setattr(assignments, "is_secret_value", counted)
    Redactor({}).redact(text)
    assert judged
    assert max(judged) <= assignments.JUDGED_CHARS
    assert len(judged) <= len(text) / 2
