"""The cut copy of a model is what the engine loads, and holds what was asked for."""

from __future__ import annotations

import struct
from pathlib import Path

from orch.providers.llamacpp import gguf_path
from tests.bench.session.cut_model import cut_model
from tests.bench.session.servers import MODEL


def _source() -> Path:
    path = gguf_path(MODEL)
    assert path is not None
    return path


def test_the_copy_has_the_layers_context_and_template_asked_for(tmp_path: Path) -> None:
    copy = cut_model(_source(), tmp_path / "cut.gguf", layers=1, context=512, template="{{ 1 }}")
    data = copy.read_bytes()
    assert b"llama.block_count" + struct.pack("<II", 4, 1) in data
    assert b"llama.context_length" + struct.pack("<II", 4, 512) in data
    assert b"{{ 1 }}" in data
    assert b"blk.0." in data
    assert b"blk.1." not in data


def test_each_tensor_keeps_its_bytes(tmp_path: Path) -> None:
    copies = [
        cut_model(_source(), tmp_path / f"{layers}.gguf", layers=layers, context=512).read_bytes()
        for layers in (30, 2)
    ]
    whole = cut_model(_source(), tmp_path / "again", layers=30, context=512).read_bytes()
    assert copies[0] == whole
    assert len(copies[1]) < len(copies[0]) / 2
    assert copies[1][-2_000:] in copies[0]
