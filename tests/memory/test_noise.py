"""Noise is told from text by its kind, is not indexed whole, and is not recalled."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from orch.memory import chunking
from orch.memory.noise import HEAD_CHARS, TAIL_CHARS, is_noise, strip_noise
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch

DICE = random.Random(1)
BYTES = DICE.randbytes(2_000)
DUMP = [BYTES[begin : begin + 16] for begin in range(0, 2_000, 16)]
SEEN = range(10, 60)
KINDS = {
    "base64": base64.b64encode(BYTES).decode(),
    "base64 in lines": base64.encodebytes(BYTES).decode(),
    "armour": (
        f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(BYTES).decode()}-----END"
        " CERTIFICATE-----"
    ),
    "data URL": f"data:image/png;base64,{base64.b64encode(BYTES).decode()}",
    "hex": BYTES.hex(),
    "xxd": "\n".join(
        f"{number * 16:08x}: {line.hex(' ', 2)}  ................"
        for number, line in enumerate(DUMP)
    ),
    "hexdump": "\n".join(
        f"{number * 16:08x}  {line.hex(' ')}  |................|"
        for number, line in enumerate(DUMP)
    ),
    "log": "\n".join(
        f"2026-11-29 12:00:{second} worker {second} could not reach the database, retrying in 5 s"
        for second in SEEN
    ),
    "log with levels": "\n".join(
        f"[{DICE.choice(['INFO', 'ERROR'])}] {DICE.random()}: thing of {DICE.choice('abcdef')}"
        for _ in SEEN
    ),
    "access log": "\n".join(
        f'10.0.0.{n} - - [29/Nov/2026:12:00:{n} +0000] "GET /{n * 7} HTTP/1.1" 200 {n * 31} "-"'
        ' "curl"'
        for n in SEEN
    ),
    "syslog": "\n".join(
        f"Nov 29 12:00:{n} host sshd[{n * 7}]: Failed password for root from 10.0.0.{n} port"
        f" {n * 31}"
        for n in SEEN
    ),
    "kernel log": "\n".join(
        f"[    {n / 7:.6f}] usb 1-{n % 4}: new device number {n}" for n in SEEN
    ),
    "JSON log": "\n".join(
        json.dumps(
            {"ts": f"2026-11-29T12:00:{n}Z", "level": "info", "msg": "request done", "ms": n}
        )
        for n in SEEN
    ),
    "minified JavaScript": "".join(
        f"var a{n}=function(e){{return e.b{n}(t[{n}])&&a{n}!==null?t:{{x:{n}}}}};" for n in SEEN
    ),
    "minified CSS": "".join(f".a{n}{{margin:0;padding:{n}px;color:#fff}}" for n in SEEN),
    "minified JSON": json.dumps([{"id": n, "name": f"n{n}"} for n in SEEN], separators=(",", ":")),
    "table": "\n".join(",".join(f"{DICE.random():.4f}" for _ in range(8)) for _ in SEEN),
    "identifiers": "\n".join(
        f"{DICE.randbytes(4).hex()}-1234-4abc-8def-{DICE.randbytes(6).hex()}" for _ in SEEN
    ),
}
TEXTS = {
    "prose": "The staging server is called nemo and stands in Helsinki. " * 20,
    "Spanish": (
        "La copia de seguridad de la base de datos se hace de noche y se guarda en otro servidor. "
        * 20
    ),
    "Chinese": "数据库备份每天晚上三点运行，请检查日志文件并在必要时恢复最新的转储。" * 20,
    "a hash": f"the commit that broke it is {BYTES[:20].hex()}",
    "a key": f"wifi key: {BYTES[:32].hex()}",
    "an address": (
        "see https://example.com/a/very/long/path?with=query&and=more#the-fragment-of-the-page-that-tells-how-it-is-restored-2026"
    ),
    "code": Path(chunking.__file__).read_text(),
    "a traceback": (
        'Traceback (most recent call last):\n  File "/a/b.py", line 3, in <module>\n   '
        " main()\nValueError: no such thing\n" * 2
    ),
    "a talk": "\n".join(
        f"[2026-11-2{n} 12:0{n}] Ana: {message}"
        for n, message in enumerate(
            ["how was it?", "I ate too much", "call me", "pay the rent", "thanks"]
        )
    ),
    "a diary": "\n".join(
        f"2026-11-1{n} {did}"
        for n, did in enumerate(
            ["dentist", "call mum about the car", "pay rent", "buy milk and eggs"]
        )
    ),
    "a quoted line": (
        "why does it say 2026-11-29 12:00:01 ERROR worker 17 could not reach the database?"
    ),
}


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_noise_is_told(text: str) -> None:
    assert is_noise(text)
    assert len(strip_noise(text)) < 130


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_is_left_as_it_is(text: str) -> None:
    assert not is_noise(text)
    assert strip_noise(text) == text


@pytest.mark.parametrize("noise", KINDS.values(), ids=KINDS)
def test_what_stands_around_noise_stays(noise: str) -> None:
    kept = strip_noise(
        f"Why does the backup fail?\n\n{noise}\n\nIt worked until the disk was changed."
    )
    assert kept.startswith("Why does the backup fail?")
    assert kept.endswith("It worked until the disk was changed.")
    assert len(kept) < 200


@pytest.mark.parametrize("noise", KINDS.values(), ids=KINDS)
def test_a_run_with_noise_is_indexed_by_its_words(noise: str) -> None:
    (piece,) = chunking.run_chunks(f"Why does the backup fail?\n{noise}", "The disk is full.")
    assert "backup" in piece
    assert "disk is full" in piece


def test_the_head_and_the_tail_of_a_long_text_are_read() -> None:
    read = strip_noise(f"first {'word ' * 200_000} last")
    assert read.startswith("first")
    assert read.endswith("last")
    assert len(read) <= HEAD_CHARS + TAIL_CHARS + 1


def test_noise_is_not_recalled_and_what_is_said_about_it_is(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = [
        "The database was unreachable because its certificate had expired."
    ]
    orch("run", "-m", CODER, f"Why could no worker reach the database?\n{KINDS['log']}")
    orch("memory", "add", KINDS["log"][:900])
    orch("run", "--recall", "--fresh", "-m", CODER, "why could the worker not reach the database?")
    recalled = ollama.chats()[-1].body["messages"][-1]["content"]
    assert "certificate had expired" in recalled
    assert recalled.count("could not reach") <= 1
