"""The picture of quality against seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orch.bench.quality_curve import draw_curve, write_curve
from orch.bench.report import Report, StrategyScore

SVG = "{http://www.w3.org/2000/svg}"
EMPTY = Report({}, (), None, (), 0, None)


def score(name: str, quality: float, seconds: float) -> StrategyScore:
    return StrategyScore(name, quality, seconds)


@pytest.fixture
def picture() -> ElementTree.Element:
    """A router with three dials, a best single model and an oracle."""
    curve = tuple((dial, score("router", 0.5 + dial / 40, 1.0 + dial)) for dial in (0, 5, 10))
    others = (score("best single: <a>", 0.6, 4.0), score("oracle", 0.9, 5.0))
    report = replace(EMPTY, strategies=(score("router", 0.7, 3.0), *others), curve=curve)
    return ElementTree.fromstring(draw_curve(report))


def test_each_dial_is_a_dot_further_right_and_higher(picture: ElementTree.Element) -> None:
    dots = picture.findall(f"{SVG}circle")
    places = [(float(dot.attrib["cx"]), -float(dot.attrib["cy"])) for dot in dots]
    assert [dot.findtext(f"{SVG}title") for dot in dots] == ["dial 0", "dial 5", "dial 10"]
    assert places == sorted(places)
    assert len(set(places)) == 3


def test_the_ends_of_the_dial_and_the_other_ways_to_choose_are_named(
    picture: ElementTree.Element,
) -> None:
    texts = [text.text or "" for text in picture.findall(f"{SVG}text")]
    assert {"dial 0", "dial 10"} <= set(texts)
    assert "dial 5" not in texts
    assert "best single: <a> (0.60, 4.0 s)" in texts
    assert any(text.startswith("oracle") for text in texts)


def test_without_figures_a_note_says_so(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.svg", EMPTY)
    drawn = ElementTree.parse(tmp_path / "curve.svg").getroot()
    assert drawn.findtext(f"{SVG}text") == "nothing to compare yet"
