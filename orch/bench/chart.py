"""Draws the figures of a speed bench: as bars of text, and as an SVG chart (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from orch.bench.speed_plan import WARM
from orch.bench.speed_summary import MedianFigure, SpeedSummary, model_labels
from orch.text.terminal import sanitize_text
from orch.types import ModelKey

BLOCKS = " ▏▎▍▌▋▊▉█"
COLOURS = ("#0969da", "#bf5700", "#8250df", "#1a7f37", "#bf3989")
"""One per prompt size; each has a contrast of at least 3 on white and on #0d1117."""
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .name { font-weight: 600 } .about { font-size: 12px; fill: #59636e }
    .ground { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 } .about { fill: #9198a1 } .ground { fill: #0d1117 }
    }
"""
WIDTH, LEFT, BAR, ROW, HEAD = 860, 70, 600, 20, 34


def text_bars(summaries: Sequence[SpeedSummary], width: int) -> list[str]:
    """Decode tokens/s of each model as a text bar, for the first prompt size with a figure.

    No line is longer than `width` characters.
    """
    firsts: dict[ModelKey, MedianFigure] = {}
    for line in summaries:
        if line.kind == WARM and line.decode_tps is not None:
            firsts.setdefault(line.key, line.decode_tps)
    if not firsts:
        return []
    labels, most = (
        {key: sanitize_text(name) for key, name in model_labels(summaries).items()},
        max(each.median for each in firsts.values()),
    )
    column, room = (
        max(len(labels[key]) for key in firsts),
        max(len(str(each)) for each in firsts.values()),
    )
    length = max(width - column - room - 2, 1)
    return [
        f"{labels[key]:{column}} {_bar(each.median / most * length):{length}} {each}"
        for key, each in firsts.items()
    ]


def _bar(length: float) -> str:
    """Block characters, to an eighth of a character."""
    eighths = max(round(length * 8), 1)
    return BLOCKS[8] * (eighths // 8) + (BLOCKS[eighths % 8] if eighths % 8 else "")


# ---------------------------------------------------------------- SVG


def draw_chart(summaries: Sequence[SpeedSummary], about: str) -> str:
    """An SVG chart of decode and prefill by model and prompt size, with a line on machine and date.

    Readable in light and dark.
    """
    labels, warm = model_labels(summaries), [line for line in summaries if line.kind == WARM]
    parts, y = [_text(10, 20, about, "about")], 30
    for title, rates in (
        ("decode, tokens/s", [line.decode_tps for line in warm]),
        ("prefill, tokens/s", [line.prefill_tps for line in warm]),
    ):
        parts.append(_text(10, y + HEAD - 10, title, "name"))
        panel, y = _panel(
            [(line, rate) for line, rate in zip(warm, rates, strict=True) if rate], labels, y + HEAD
        )
        parts += panel
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" width="{WIDTH}"'
        f' height="{y + 10}" role="img">'
    )
    ground = f'<rect class="ground" width="{WIDTH}" height="{y + 10}"/>'
    return "\n".join(
        [
            head,
            "<title>Speed of local models</title>",
            f"<style>{STYLE}</style>",
            ground,
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(
    rated: Sequence[tuple[SpeedSummary, MedianFigure]], labels: dict[ModelKey, str], y: int
) -> tuple[list[str], int]:
    """The bars of one rate, grouped by model, starting at y; and the y below them."""
    parts: list[str] = []
    most, sizes = (
        max((rate.median for _, rate in rated), default=1.0),
        list(dict.fromkeys(line.size for line, _ in rated)),
    )
    last: ModelKey | None = None
    for line, rate in rated:
        if line.key != last:
            parts.append(_text(10, y + 15, labels[line.key]))
            y, last = y + ROW, line.key
        length, colour = (
            max(rate.median / most * BAR, 1),
            COLOURS[sizes.index(line.size) % len(COLOURS)],
        )
        parts.append(_text(10, y + 14, line.size, "about"))
        parts.append(
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" rx="2"'
            f' fill="{colour}"/>'
        )
        parts.append(_text(round(LEFT + length) + 8, y + 14, str(rate), "about"))
        y += ROW
    return parts, y


def _text(x: int, y: int, text: str, kind: str = "plain") -> str:
    """Escapes the text: names come from a server. Characters that XML forbids are left out."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(sanitize_text(text))}</text>'
