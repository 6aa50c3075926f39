"""Fits the weights: sparse features, soft labels, multinomial logistic regression, and the bytes of
the weights file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sparse
from scipy.optimize import minimize

from orch.classifier.features import BUCKETS, features, hash_features
from orch.classifier.linear_model import MAGIC, ZERO, feature_value
from orch.classifier.spelling import Vocabulary
from orch.classifier.train.rows import TYPES, Row

STEPS = 45
LABEL_SHARE = 0.75
"""The label's share where another type is defensible; the others share the rest."""


def matrix(texts: Sequence[str], vocabulary: Vocabulary) -> Any:
    """A sparse matrix with one line for each text, with the feature values of
    `LinearClassifier`."""
    starts, at, values = [0], [], []
    for text in texts:
        for group, names in features(text, vocabulary).items():
            at += hash_features(names)
            values += [feature_value(group, len(names))] * len(names)
        starts.append(len(at))
    return sparse.csr_matrix(
        (np.array(values), np.array(at), np.array(starts)), shape=(len(texts), BUCKETS)
    )


def targets(rows: Sequence[Row]) -> Any:
    """Soft labels, (n, 8)."""
    out = np.zeros((len(rows), len(TYPES)))
    for line, row in zip(out, rows, strict=True):
        line[TYPES.index(row.label)] = LABEL_SHARE if row.also else 1.0
        for each in row.also:
            line[TYPES.index(each)] += (1 - LABEL_SHARE) / len(row.also)
    return out


def fit(lines: Any, wanted: Any, weights: Any, l2: float) -> Any:
    """Weights (features, 8) of multinomial logistic regression, by L-BFGS."""
    used = np.unique(lines.indices)
    narrow = lines[:, used].tocsr()
    across = narrow.T.tocsr()
    share = (weights / weights.sum())[:, None]

    def loss(flat: Any) -> tuple[float, Any]:
        own = flat.reshape(-1, len(TYPES))
        logs = log_softmax(narrow @ own)
        slope = across @ ((np.exp(logs) - wanted) * share) + l2 * own
        return float(-(share * wanted * logs).sum() + 0.5 * l2 * (own * own).sum()), slope.ravel()

    result = minimize(
        loss,
        np.zeros(len(used) * len(TYPES)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": STEPS, "maxcor": 8},
    )
    out = np.zeros((lines.shape[1], len(TYPES)))
    out[used] = result.x.reshape(-1, len(TYPES))
    return out


def log_softmax(logits: Any) -> Any:
    """Computed for each line."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def fitted_bytes(weights: Any) -> Any:
    """The weights after rounding to bytes."""
    whole, scale = rounded(weights)
    return whole * scale


def rounded(weights: Any) -> tuple[Any, Any]:
    """Bytes, and the value of one step for each type. 99.6 % of prompts keep their type; clipping
    the largest .005 % kept only 94 %."""
    scale = np.abs(weights).max(axis=0) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale


def weights_file(weights: Any, head: dict[str, Any], vocabulary: Vocabulary) -> bytes:
    """Lengths, a head of JSON, the vocabulary, and a byte for each bucket and type, bucket by
    bucket."""
    whole, scale = rounded(weights)
    text, words = (
        json.dumps({**head, "scale": [float(each) for each in scale]}).encode(),
        vocabulary.to_bytes(),
    )
    lengths = len(text).to_bytes(4, "little") + len(words).to_bytes(4, "little")
    lines: bytes = (whole.astype(np.int16) + ZERO).astype(np.uint8).tobytes()
    return MAGIC + lengths + text + words + lines
