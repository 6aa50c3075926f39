"""Estimates of the quality of each model's answer, from graded answers and ratings."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.quality import MAGIC, QualityModel, Row
from orch.quality.table import Prior

MODELS = ["small", "large"]
SUMS = [f"What is {a} plus {b} times {a + b}?" for a in range(2, 8) for b in range(2, 7)]
POEMS = [
    f"write a poem about the {what} in {when}"
    for what in ("sea", "moon", "rain", "wind", "snow", "fog")
    for when in ("may", "june", "july", "august", "fall")
]


def graded() -> list[Row]:
    """`small` is good at sums, `large` at poems."""
    sums: list[Row] = [
        (text, "sum", model, score)
        for text in SUMS
        for model, score in (("small", 0.9), ("large", 0.2))
    ]
    return sums + [
        (text, "poem", model, score)
        for text in POEMS
        for model, score in (("small", 0.1), ("large", 0.9))
    ]


def given_kinds(text: str) -> Mapping[str, float]:
    """A classifier that looks for a question mark."""
    return {"sum": 0.9, "poem": 0.1} if "?" in text else {"sum": 0.1, "poem": 0.9}


@pytest.fixture(scope="module")
def fitted_bytes() -> bytes:
    return QualityModel.fit(graded(), models=MODELS, priors={}).to_bytes()


@pytest.fixture
def fitted(fitted_bytes: bytes) -> QualityModel:
    return QualityModel.from_bytes(fitted_bytes)


def in_a_new_process(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **env},
    )
    return done.stdout.strip()


# ---------------------------------------------------------------- without evidence


def test_without_answers_the_rating_is_the_estimate() -> None:
    predicted = QualityModel.fit([], models=MODELS, priors={"small": 0.3, "large": 0.8}).predict(
        "anything"
    )
    assert [
        (predicted[model].mean, predicted[model].n, predicted[model].source) for model in MODELS
    ] == [
        (0.3, 0, "rated"),
        (0.8, 0, "rated"),
    ]


def test_without_a_rating_the_mean_of_the_others_is_assumed() -> None:
    predicted = QualityModel.fit([], models=MODELS, priors={"large": 0.8}).predict("anything")
    assert (predicted["small"].mean, predicted["small"].source) == (0.8, "assumed")


def test_without_any_evidence_a_half_is_assumed() -> None:
    assert QualityModel.fit([], models=MODELS, priors={}).predict("")["small"].mean == 0.5


def test_an_assumption_has_a_larger_deviation_than_a_rating() -> None:
    predicted = QualityModel.fit([], models=MODELS, priors={"large": 0.8}).predict("anything")
    assert predicted["small"].sd > predicted["large"].sd


# ---------------------------------------------------------------- evidence


def test_one_answer_moves_a_rating_only_a_little() -> None:
    predicted = QualityModel.fit(
        [("hello", "", "small", 1.0)], models=MODELS, priors={"small": 0.4}
    ).predict("hello")["small"]
    assert 0.4 < predicted.mean < 0.6
    assert predicted.source == "measured and rated (n=1)"


def test_many_answers_outweigh_a_rating() -> None:
    rows: list[Row] = [(f"question {at}", None, "small", 0.9) for at in range(200)]
    predicted = QualityModel.fit(rows, models=MODELS, priors={"small": 0.1}).predict("question 7")[
        "small"
    ]
    assert predicted.mean > 0.8
    assert predicted.source == "measured (n=200)"


def test_evidence_reduces_the_deviation() -> None:
    few, many = (
        QualityModel.fit([("a", None, "small", 0.5)] * n, models=MODELS, priors={})
        .predict("a")["small"]
        .sd
        for n in (1, 50)
    )
    assert many < few


def test_a_kind_with_few_answers_is_shrunk_towards_the_models_mean() -> None:
    rows: list[Row] = [(f"sum {at}", "sum", "small", 0.8) for at in range(50)]
    predicted = QualityModel.fit(
        [*rows, ("a poem", "poem", "small", 0.0)], models=["small"], priors={}
    ).predict("a poem")["small"]
    assert predicted.mean > 0.5


def test_learns_which_model_is_good_at_which_kind(fitted: QualityModel) -> None:
    assert fitted.choose("What is 11 plus 4 times 9?", costs={}) == "small"
    assert fitted.choose("write a poem about the river in winter", costs={}) == "large"


def test_estimates_are_close_to_the_scores_of_the_kind(fitted: QualityModel) -> None:
    predicted = fitted.predict("What is 11 plus 4 times 9?")
    assert predicted["small"].mean > 0.7
    assert predicted["large"].mean < 0.4
    assert predicted["small"].n == pytest.approx(30, abs=3)


def test_a_text_unlike_all_others_gets_the_models_mean(fitted: QualityModel) -> None:
    strange = fitted.predict("\u4e2d\u6587 \u6a21\u578b")
    assert abs(strange["small"].mean - 0.5) < abs(fitted.predict(SUMS[0])["small"].mean - 0.5)
    assert strange["small"].sd > fitted.predict(SUMS[0])["small"].sd


def test_uses_the_kinds_of_a_given_classifier() -> None:
    model = QualityModel.fit(graded(), models=MODELS, priors={}, kinds=given_kinds)
    assert model.choose("quelle heure est-il ?", costs={}) == "small"
    assert model.choose("une chanson", costs={}) == "large"


def test_answers_of_other_models_are_ignored() -> None:
    rows: list[Row] = [("a", "k", "gone", 1.0), ("a", "k", "gone", math.nan)]
    assert (
        QualityModel.fit(rows, models=MODELS, priors={"small": 0.3}).predict("a")["small"].source
        == "rated"
    )


def test_texts_without_a_kind_are_learned_from_too() -> None:
    rows = [
        (text, kind if at % 2 else None, model, score)
        for at, (text, kind, model, score) in enumerate(graded())
    ]
    assert QualityModel.fit(rows, models=MODELS, priors={}).choose(SUMS[3], costs={}) == "small"


# ---------------------------------------------------------------- update


def test_an_update_moves_the_estimate_toward_the_score(fitted: QualityModel) -> None:
    before = fitted.predict(SUMS[0])["small"]
    fitted.update(SUMS[0], "small", 0.0)
    after = fitted.predict(SUMS[0])["small"]
    assert after.mean < before.mean
    assert after.n == before.n + 1


def test_an_update_moves_its_own_kind_most(fitted: QualityModel) -> None:
    before = [fitted.predict(text)["small"].mean for text in (SUMS[0], POEMS[0])]
    for _ in range(5):
        fitted.update(SUMS[1], "small", 0.0)
    fell = [
        old - fitted.predict(text)["small"].mean
        for old, text in zip(before, (SUMS[0], POEMS[0]), strict=True)
    ]
    assert fell[0] > 2 * abs(fell[1])


def test_given_kinds_are_learned_from_updates_alone() -> None:
    model = QualityModel.fit([], models=MODELS, priors={}, kinds=given_kinds)
    for text, _, name, score in graded():
        model.update(text, name, score)
    assert [model.choose(text, costs={}) for text in (SUMS[0], POEMS[0])] == ["small", "large"]


def test_an_update_of_an_unknown_model_is_refused(fitted: QualityModel) -> None:
    with pytest.raises(ValueError, match="unknown model 'gone'"):
        fitted.update("a", "gone", 0.5)


# ---------------------------------------------------------------- choose


def test_the_dial_trades_quality_for_cost() -> None:
    model = QualityModel.fit([], models=MODELS, priors={"small": 0.6, "large": 0.7})
    costs = {"small": 1.0, "large": 10.0}
    assert [model.choose("a", costs=costs, dial=dial) for dial in (0.0, 0.05, 0.5)] == [
        "large",
        "large",
        "small",
    ]


def test_a_missing_cost_counts_as_the_median() -> None:
    model = QualityModel.fit(
        [],
        models=["cheap", "unknown", "middle", "dear"],
        priors={"cheap": 0.1, "unknown": 0.6, "middle": 0.59, "dear": 0.7},
    )
    costs = {"cheap": 1.0, "middle": 2.0, "dear": 10.0}
    assert model.choose("a", costs=costs, dial=0.3) == "unknown"
    assert model.choose("a", costs=costs | {"unknown": 5.0}, dial=0.3) == "middle"


def test_of_equals_the_cheapest_is_chosen() -> None:
    assert (
        QualityModel.fit([], models=MODELS, priors={}).choose(
            "a", costs={"small": 2.0, "large": 1.0}
        )
        == "large"
    )


def test_costs_of_zero_are_ignored() -> None:
    assert (
        QualityModel.fit([], models=MODELS, priors={"large": 0.9}).choose(
            "a", costs=dict.fromkeys(MODELS, 0.0), dial=1.0
        )
        in MODELS
    )


def test_choosing_without_a_model_is_refused() -> None:
    model = QualityModel.fit([], models=[], priors={})
    assert model.predict("a") == {}
    with pytest.raises(ValueError, match="no model"):
        model.choose("a", costs={})


@pytest.mark.parametrize(
    ("costs", "dial"),
    [
        ({"small": -1.0}, 0.0),
        ({"small": math.inf}, 0.0),
        ({"small": math.nan}, 0.0),
        ({}, math.nan),
        ({}, -1.0),
    ],
)
def test_invalid_costs_and_dials_are_refused(
    fitted: QualityModel, costs: dict[str, float], dial: float
) -> None:
    with pytest.raises(ValueError, match="from 0 up"):
        fitted.choose("a", costs=costs, dial=dial)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf])
def test_scores_outside_0_to_1_are_refused(fitted: QualityModel, score: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        QualityModel.fit([("a", "k", "small", score)], models=MODELS, priors={})
    with pytest.raises(ValueError, match="from 0 to 1"):
        QualityModel.fit([], models=MODELS, priors={"small": score})
    with pytest.raises(ValueError, match="from 0 to 1"):
        fitted.update("a", "small", score)


def test_a_model_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        QualityModel.fit([], models=["a", "a"], priors={})


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_any_text_is_answered_within_bounds(fitted_bytes: bytes, text: str) -> None:
    for estimate in QualityModel.from_bytes(fitted_bytes).predict(text).values():
        assert 0 <= estimate.mean <= 1
        assert 0 < estimate.sd < 1
        assert estimate.n >= 0


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text(max_size=20),
            st.sampled_from(["a", "b", "", None]),
            st.sampled_from(MODELS),
            st.floats(0, 1),
        ),
        max_size=12,
    )
)
def test_any_rows_can_be_fitted(rows: list[Row]) -> None:
    predicted = QualityModel.fit(rows, models=MODELS, priors={"small": 0.5}).predict("a")
    assert all(0 <= each.mean <= 1 and math.isfinite(each.sd) for each in predicted.values())


ALIKE = st.sampled_from(
    [
        "",
        " ",
        "a",
        "a ",
        "\ta",
        "A",
        "a b",
        "b a",
        "\u4e2d\u6587",
        "\u4e2d\u6587 ",
        "\ud800",
        "e\u0301",
        "\u00e9",
    ]
)
"""Texts that share words, pairs of words or all that is read of them."""


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    models=st.sampled_from([["one"], MODELS]),
    score=st.none() | st.floats(0, 1),
    given_too=st.booleans(),
)
def test_indistinguishable_answers_can_be_fitted(
    data: st.DataObject, models: list[str], score: float | None, given_too: bool
) -> None:
    each = st.tuples(
        ALIKE,
        st.sampled_from(["k", "l", None]),
        st.sampled_from(models),
        st.floats(0, 1) if score is None else st.just(score),
    )
    rows: list[Row] = data.draw(st.lists(each, max_size=8))
    model = QualityModel.fit(
        rows, models=models, priors={}, kinds=given_kinds if given_too else None
    )
    for text in ("a", "", "something else?"):
        assert all(
            0 <= predicted.mean <= 1 and 0 < predicted.sd < 1
            for predicted in model.predict(text).values()
        )


def test_two_texts_with_equal_features_can_be_fitted() -> None:
    rows: list[Row] = [
        ("What is a mutex?", "sum", "small", 1.0),
        ("What is a mutex? ", "sum", "small", 0.0),
    ]
    assert (
        QualityModel.fit(rows, models=MODELS, priors={"small": 0.5}, kinds=given_kinds)
        .predict("What is a mutex?")["small"]
        .n
        == 2
    )


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "x" * 10_000_000, "a b " * 2_500_000])
def test_unusual_and_huge_texts_get_an_estimate(fitted: QualityModel, text: str) -> None:
    fitted.update(text, "small", 0.5)
    assert set(fitted.predict(text)) == set(MODELS)


# ---------------------------------------------------------------- bytes


def test_a_model_survives_serialization(fitted: QualityModel) -> None:
    fitted.update(SUMS[0], "small", 0.3)
    again = QualityModel.from_bytes(fitted.to_bytes())
    assert again.predict(POEMS[0]) == fitted.predict(POEMS[0])
    assert again.to_bytes() == fitted.to_bytes()


def test_a_model_of_given_kinds_needs_them_again() -> None:
    model = QualityModel.fit(graded(), models=MODELS, priors={}, kinds=given_kinds)
    with pytest.raises(ValueError, match="needs them"):
        QualityModel.from_bytes(model.to_bytes())
    assert QualityModel.from_bytes(model.to_bytes(), kinds=given_kinds).predict(
        "a?"
    ) == model.predict("a?")


@pytest.mark.parametrize("data", [b"", MAGIC, b"{}", MAGIC + bytes(40)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a quality model"):
        QualityModel.from_bytes(data)


def test_damaged_bytes_are_refused(fitted_bytes: bytes) -> None:
    for damaged in (
        fitted_bytes[:-1],
        fitted_bytes[:-1] + bytes([fitted_bytes[-1] ^ 1]),
        fitted_bytes + b"\x00",
    ):
        with pytest.raises(ValueError, match="not a quality model"):
            QualityModel.from_bytes(damaged)


# ---------------------------------------------------------------- processes


def test_fits_the_same_whatever_the_hash_seed() -> None:
    code = (
        "import zlib; from tests.quality.test_model import *;"
        " print(zlib.crc32(QualityModel.fit(graded(), models=MODELS, priors={}).to_bytes()))"
    )
    assert len({in_a_new_process(code, PYTHONHASHSEED=seed) for seed in ("1", "2")}) == 1


def test_prediction_imports_no_numpy(fitted_bytes: bytes, tmp_path: os.PathLike[str]) -> None:
    file = os.path.join(tmp_path, "quality.bin")
    with open(file, "wb") as out:
        out.write(fitted_bytes)
    code = (
        "import sys; from orch.quality import QualityModel; model ="
        f" QualityModel.from_bytes(open({file!r}, 'rb').read());model.update('a b c', 'small',"
        " 1.0); model.choose('a b c', {}); model.to_bytes(); print('numpy' in sys.modules)"
    )
    assert in_a_new_process(code, PYTHONWARNINGS="ignore") == "False"


def test_without_numpy_the_table_is_still_filled() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; from tests.quality.test_model import"
        " *;print(QualityModel.fit(graded(), models=MODELS, priors={},"
        " kinds=given_kinds).choose('two?', {}),QualityModel.fit(graded(), models=MODELS,"
        " priors={}).predict('two?')['small'].source)"
    )
    assert in_a_new_process(code) == "small measured (n=60)"


# ---------------------------------------------------------------- priors by kind

BY_KIND: dict[str, Prior] = {"small": {"sum": 0.9, "poem": 0.3}, "large": 0.5}


def given_kind(text: str) -> dict[str, float]:
    """The kind at the beginning of the text."""
    return {text.split()[0]: 1.0}


def test_a_prior_by_kind_applies_to_each_kind_and_its_mean_to_others() -> None:
    model = QualityModel.fit(
        [("tale a", "", "large", 0.5)], models=MODELS, priors=BY_KIND, kinds=given_kind
    )
    model.update("sum a", "large", 0.5)
    model.update("poem a", "large", 0.5)
    assert [
        round(model.predict(text)["small"].mean, 6) for text in ("sum b", "poem b", "tale b")
    ] == [0.9, 0.3, 0.6]


def test_each_kind_is_shrunk_towards_its_own_prior() -> None:
    rows = [
        (f"{kind} {n}", "", "small", score)
        for kind, score in (("sum", 0.9), ("poem", 0.3))
        for n in range(4)
    ]
    predicted = QualityModel.fit(rows, models=MODELS, priors=BY_KIND, kinds=given_kind)
    assert [predicted.predict(text)["small"].mean for text in ("sum x", "poem x")] == pytest.approx(
        [0.9, 0.3], abs=0.01
    )
    predicted.update("poem y", "small", 1.0)
    assert (
        predicted.predict("poem x")["small"].mean - 0.3
        > 2 * (predicted.predict("sum x")["small"].mean - 0.9)
        > 0
    )


def test_a_number_is_the_same_prior_at_every_kind() -> None:
    rows = [("sum 1", "", "small", 1.0), ("poem 1", "", "small", 0.0), ("sum 2", "", "small", 0.7)]
    number, mapping = (
        QualityModel.fit(rows, models=MODELS, priors={"small": prior}, kinds=given_kind)
        for prior in (0.6, {"sum": 0.6, "poem": 0.6})
    )
    for text in ("sum 3", "poem 3"):
        assert number.predict(text)["small"] == mapping.predict(text)["small"]


def test_a_model_added_later_has_a_prior_by_kind_too() -> None:
    model = QualityModel.fit(
        [("sum 1", "", "large", 0.5)], models=["large"], priors=BY_KIND, kinds=given_kind
    )
    model.meet("small", BY_KIND["small"])
    model.update("poem 1", "large", 0.5)  # a kind that comes after the model
    kept = QualityModel.from_bytes(model.to_bytes(), given_kind)
    assert [
        round(each.predict(text)["small"].mean, 6)
        for each in (model, kept)
        for text in ("sum 2", "poem 2")
    ] == [0.9, 0.3] * 2


@pytest.mark.parametrize(
    "prior", [{}, {"sum": 1.1}, {"sum": -0.1}, {"sum": float("nan")}, {"sum": "good"}, "good", None]
)
def test_a_prior_outside_0_to_1_is_refused(prior: Any) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1|at least one kind"):
        QualityModel.fit([], models=MODELS, priors={"small": prior})
    with pytest.raises(ValueError, match=r"from 0 to 1|at least one kind"):
        QualityModel.fit([], models=["large"], priors={}).meet("small", prior)


def test_the_file_of_an_earlier_version_is_refused() -> None:
    with pytest.raises(ValueError, match="of this version"):
        QualityModel.from_bytes(
            b"orchqua1" + QualityModel.fit([], models=MODELS, priors={}).to_bytes()[8:]
        )


def test_priors_are_optional() -> None:
    fitted = QualityModel.fit(graded(), models=MODELS)
    assert fitted.to_bytes() == QualityModel.fit(graded(), models=MODELS, priors={}).to_bytes()
    assert QualityModel.fit([], models=MODELS).predict("anything")["small"].source == "assumed"
