"""The terms of the score on the page: the name, the description and the colors of each."""

from __future__ import annotations

from typing import NamedTuple

from orch.server.web.components.i18n import N_


class TermLabel(NamedTuple):
    """How the page shows a term: its texts in English, and its color on a light and on a dark
    page."""

    name: str
    description: str
    color: str
    dark_color: str


TERM_LABELS = {
    "fit": TermLabel(
        N_("Fit"),
        N_("Whether the task type is one of the model's strengths."),
        "#2563eb",
        "#7aa7ff",
    ),
    "quality": TermLabel(
        N_("Quality"), N_("How good the model is at this type of task."), "#15803d", "#6fd08c"
    ),
    "speed": TermLabel(
        N_("Speed"),
        N_("How soon the answer would be complete, including the time to load the model."),
        "#c2410c",
        "#ffa466",
    ),
    "confidence": TermLabel(
        N_("Confidence"),
        N_(
            "High confidence in the task type favors specialists, low confidence favors"
            " generalists."
        ),
        "#7c3aed",
        "#c4a3ff",
    ),
}
"""The terms by their names in `config.spec.TERMS`."""


def term_css() -> str:
    """The style of each term's part of a bar and of its swatch."""
    return "\n".join(
        f".orch-decision-{term} {{ background: {each.color}; }}"
        f" body.body--dark .orch-decision-{term} {{ background: {each.dark_color}; }}"
        for term, each in TERM_LABELS.items()
    )
