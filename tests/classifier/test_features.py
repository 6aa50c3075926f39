"""The features of a request: of the same names however it is typed, apart from pasted material."""

from __future__ import annotations

import time
import zlib

import pytest

from orch.classifier.features import (
    BUCKETS,
    GROUPS,
    SPELT_WORDS,
    features,
    hash_features,
    split_request,
)
from orch.classifier.linear_model import LinearClassifier
from orch.classifier.spelling import Vocabulary

WORDS = LinearClassifier.shipped().vocabulary
LOG = "2026-03-01 12:00:01 ERROR worker[17]: reset\n2026-03-01 12:00:02 INFO retrying"
PROSE = "The council met on Tuesday to discuss the library. Several residents spoke for hours."


def test_politeness_is_not_part_of_the_request() -> None:
    assert (
        features("Please write a poem about the sea, thanks!", WORDS)["words"]
        == features("write a poem about the sea", WORDS)["words"]
    )


def test_a_pasted_block_is_separated_from_the_request() -> None:
    part = split_request("Why does this fail?\n\n```\nraise ValueError(1)\n```")
    assert part.asked == "why does this fail?"
    assert "valueerror" in part.pasted


@pytest.mark.parametrize("pasted", [LOG, PROSE, "x = 1\ny = x + 1\nprint(x, y)"])
@pytest.mark.parametrize("form", ["Summarize this for me:\n\n{}", "{}\n\nSummarize this for me"])
def test_pasted_material_needs_no_fence(pasted: str, form: str) -> None:
    part = split_request(form.format(pasted))
    assert part.asked.startswith("summarize this for me")
    assert part.pasted == pasted.lower()


def test_the_first_line_of_a_pasted_block_may_be_the_request() -> None:
    part = split_request(f"Why does it stop?\n{LOG}")
    assert (part.asked, part.pasted) == ("why does it stop?", LOG.lower())


def test_a_text_without_a_request_is_the_request_itself() -> None:
    assert split_request(PROSE).asked == PROSE.lower()


@pytest.mark.parametrize("before", [0, 5_000, 20_000])
def test_an_instruction_inside_a_long_text_is_read(before: int) -> None:
    text = "lorem ipsum dolor " * (before // 18)
    long = f"{text}\n\nPlease translate the kitchen report.\n\n{'sit amet elit ' * 2_000}"
    assert "1translate" in features(long, WORDS)["words"]


def test_the_end_of_a_long_text_is_read() -> None:
    asked = features(f"{LOG}\n" * 500 + "\n\ntranslate the kitchen report", WORDS)["words"]
    assert "2translate the" in asked


def test_a_name_occurs_once_and_begins_with_its_kind() -> None:
    groups = features(f"sort the list, then sort the other list\n\n```\n{LOG}\n```", WORDS)
    assert tuple(groups) == GROUPS
    kinds = [{name[0] for name in names} for names in groups.values()]
    assert kinds == [set("123"), {"c"}, set("spfl"), {"q"}]
    assert all(len(set(names)) == len(names) > 0 for names in groups.values())


def test_words_pairs_and_triples_keep_their_order() -> None:
    assert features("sort the list", WORDS)["words"] == [
        "1sort",
        "1the",
        "1list",
        "2sort the",
        "2the list",
        "3sort the list",
    ]


def test_nothing_pasted_has_no_features() -> None:
    assert features("sort the list", WORDS)["pasted"] == []


def test_the_form_of_a_request_is_a_feature() -> None:
    shape = features("Sort the 3 lists?", WORDS)["shape"]
    assert {"psort", "psort the 3", "flists", "smark ?", "snumbers 1", "send ?"} <= set(shape)


def test_accents_case_and_typing_errors_change_no_feature() -> None:
    plain = features("escribe una cancion", WORDS)
    assert features("ESCRIBE una canción", WORDS) == features("ecsribe una cancion", WORDS) == plain


def test_only_the_first_words_are_spelt_in_letters() -> None:
    words = [f"a{number}" for number in range(SPELT_WORDS + 1)]
    letters = features(" ".join(words), Vocabulary(words))["letters"]
    assert f"c<{words[-2]}>" in letters
    assert f"c<{words[-1]}>" not in letters


def test_a_feature_has_the_same_bucket_in_every_process() -> None:
    assert hash_features(["1write", "\ud800"]) == [
        zlib.crc32(b"1write") % BUCKETS,
        zlib.crc32(b"?") % BUCKETS,
    ]


@pytest.mark.parametrize(
    "text", [" " * 200_000, "a\n" * 100_000, "please " * 30_000, "{" * 200_000]
)
def test_time_is_bounded_for_any_text(text: str) -> None:
    started = time.perf_counter()
    features(f"a{text}b", WORDS)
    assert time.perf_counter() - started < 1
