"""Draws quality against seconds as SVG: the curve of the dial, the best single model and the
oracle."""

from __future__ import annotations

import html
from pathlib import Path

from orch.bench.report import Report, StrategyScore

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 400, 64, 340
_STYLE = (
    "<style>text{font:13px sans-serif;fill:#222}.axis{stroke:#888}"
    ".curve{fill:none;stroke:#1f6fb2;stroke-width:2}.dot{fill:#1f6fb2}.other{fill:#c2571a}"
    ".oracle{fill:none;stroke:#c2571a;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.curve{stroke:#6cb2eb}.dot{fill:#6cb2eb}"
    ".other{fill:#f0a060}.oracle{stroke:#f0a060}}</style>"
)


def write_curve(path: Path, report: Report) -> None:
    """Writes the SVG file. Raises OSError."""
    path.write_text(draw_curve(report), "utf-8")


def draw_curve(report: Report) -> str:
    """The SVG; a short note where there is nothing to draw."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="quality against seconds">{_STYLE}'
    )
    points = [*(line for _, line in report.curve), *report.strategies[1:]]
    if not points:
        return f'{head}<text x="20" y="40">nothing to compare yet</text></svg>\n'
    scale = _Scale(max(line.seconds for line in points) or 1.0)
    curve = " ".join(scale.at(line) for _, line in report.curve)
    dots = "".join(
        f'<circle class="dot" r="4" cx="{scale.x(line)}" cy="{scale.y(line)}"><title>dial'
        f" {dial}</title></circle>"
        for dial, line in report.curve
    )
    ends = "".join(
        scale.label(line, f"dial {dial}") for dial, line in report.curve if dial in (0, 10)
    )
    others = "".join(
        f'<rect class="{_mark(line)}" width="8" height="8" x="{scale.x(line) - 4}"'
        f' y="{scale.y(line) - 4}"/>'
        for line in report.strategies[1:]
    )
    legend = "".join(
        _legend_entry(place, line) for place, line in enumerate(reversed(report.strategies[1:]))
    )
    return (
        f'{head}{scale.axes()}<polyline class="curve"'
        f' points="{curve}"/>{dots}{ends}{others}{legend}</svg>\n'
    )


def _mark(line: StrategyScore) -> str:
    return "oracle" if line.name == "oracle" else "other"


def _legend_entry(place: int, line: StrategyScore) -> str:
    """An entry of the legend, in the corner without points: answers are neither instant nor all
    wrong."""
    x, y = LEFT + 24, BOTTOM - 20 - 22 * place
    label = html.escape(f"{line.name} ({line.quality:.2f}, {line.seconds:.1f} s)")
    return (
        f'<rect class="{_mark(line)}" width="8" height="8" x="{x}" y="{y - 9}"/><text x="{x + 16}"'
        f' y="{y}">{label}</text>'
    )


class _Scale:
    """The axes: seconds to the right, quality from 0 to 1 upwards."""

    def __init__(self, seconds: float) -> None:
        self._most = seconds * 1.15

    def x(self, line: StrategyScore) -> float:
        return round(LEFT + line.seconds / self._most * (WIDTH - LEFT - 20), 1)

    def y(self, line: StrategyScore) -> float:
        return round(BOTTOM - line.quality * (BOTTOM - 30), 1)

    def at(self, line: StrategyScore) -> str:
        return f"{self.x(line)},{self.y(line)}"

    def label(self, line: StrategyScore, text: str) -> str:
        anchor = "end" if self.x(line) > WIDTH * 0.6 else "start"
        return (
            f'<text text-anchor="{anchor}" x="{self.x(line)}"'
            f' y="{self.y(line) - 10}">{html.escape(text)}</text>'
        )

    def axes(self) -> str:
        ticks = "".join(
            f'<text text-anchor="end" x="{LEFT - 8}"'
            f' y="{BOTTOM - share * (BOTTOM - 30) + 4:.1f}">{share:.1f}</text>'
            for share in (0.0, 0.5, 1.0)
        )
        ends = "".join(
            f'<text text-anchor="middle" x="{LEFT + share * (WIDTH - LEFT - 20) / 1.15:.1f}"'
            f' y="{BOTTOM + 20}">{share * self._most / 1.15:.1f} s</text>'
            for share in (0.0, 0.5, 1.0)
        )
        lines = f'<path class="axis" fill="none" d="M{LEFT} 30V{BOTTOM}H{WIDTH - 20}"/>'
        names = (
            f'<text x="12" y="20">quality</text><text text-anchor="end" x="{WIDTH - 20}"'
            f' y="{BOTTOM + 40}">seconds an answer</text>'
        )
        return lines + ticks + ends + names
