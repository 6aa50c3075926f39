"""The figures of a speed bench as bars of text and as a picture."""

from __future__ import annotations

from xml.etree import ElementTree

from orch.bench.chart import draw_chart, text_bars
from tests.support.bench_samples import benched_lines


def test_the_bars_are_as_long_as_the_models_are_fast() -> None:
    assert text_bars(benched_lines("quick", "slow"), 26) == [
        "quick ███████████████ 64.0",
        "slow  ███████▌        32.0",
    ]


def test_a_picture_escapes_names_and_runs_nothing() -> None:
    picture = draw_chart(benched_lines('<script>alert("&")</script>\x1b[2J'), "here & now")
    assert '<script>alert("&")</script>' in "".join(ElementTree.fromstring(picture).itertext())
    assert "<script" not in picture
