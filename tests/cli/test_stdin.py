"""Input is text or a clear error: encodings by their marks, binary data, files and their limits."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from orch.cli import stdin
from orch.errors import InputError, OrchError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_decoded_by_its_mark(encoding: str) -> None:
    assert stdin.decode_text("¿Por qué? 为什么".encode(encoding), "x") == "¿Por qué? 为什么"


def test_other_text_is_read_as_windows_1252_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert stdin.decode_text("año €".encode("cp1252"), "a.txt") == "año €"
    assert capsys.readouterr().err == "! a.txt is not UTF-8: read as Windows-1252\n"


@pytest.mark.parametrize(
    "data",
    [
        "a\0b".encode("utf-16"),
        "a\0b".encode("utf-32"),
        "why".encode("utf-32-le"),
        "why".encode("utf-16-be"),
        b"\x7fELF\x00\xff" * 9,
        b"a\0b",
        bytes(range(1, 9)) * 9 + b"\xff",
    ],
)
def test_binary_data_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^stdin is binary, not text"):
        stdin.decode_text(data, "stdin")


def test_control_codes_of_a_terminal_are_text() -> None:
    assert stdin.decode_text(b"\x1b[1mbold\x1b[0m\ta\r\n\xe9", "x") == "\x1b[1mbold\x1b[0m\ta\r\né"


def test_a_text_file_is_text_and_an_image_an_image(tmp_path: Path) -> None:
    text, image = tmp_path / "a.md", tmp_path / "b.md"
    text.write_text("# ñ", encoding="utf-8")
    image.write_bytes(PNG)
    assert stdin.read_files([str(text), str(image)]) == [
        {"name": str(text), "text": "# ñ"},
        {"name": str(image), "image": base64.b64encode(PNG).decode()},
    ]
    assert stdin.read_attachment(str(text)).text == "# ñ"


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: No such file"):
        stdin.read_file(str(tmp_path / "none.txt"))


def test_a_file_too_long_says_how_many_tokens_no_context_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdin, "MAX_BYTES", 8)
    (tmp_path / "a").write_text("12345", encoding="utf-8")
    with pytest.raises(OrchError, match="no model's context holds that") as caught:
        stdin.read_files([str(tmp_path / "a")] * 2)
    assert caught.value.code == "context_overflow"
    assert "with the files before it" in caught.value.message


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = f"{tmp_path}/caf\udce9"
    Path(path).write_text("x", encoding="utf-8")
    assert stdin.read_file(path) == {
        "name": f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}",
        "text": "x",
    }
