"""Draws the result of a replay: how many decisions change, and which."""

from __future__ import annotations

from collections import Counter

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from orch.routing.replaying.replay import Comparison, Replay
from orch.server.web.components.labels import task_type_label
from orch.server.web.components.page import Page, empty_state
from orch.server.web.components.tables import disclosure, html_table, text_element
from orch.server.web.settings.replay import MAX_RUNS, Replayer
from orch.text.lines import one_line

CHANGES_PER_STEP = 25
TASK_CHARS = 300


class ReplayResult:
    """Draws a replay in `body`, and its number of changes in `count`."""

    def __init__(self, page: Page, count: TextElement, body: ui.element) -> None:
        self._page, self._count, self._body = page, count, body

    def show(self, replayer: Replayer, replay: Replay, *, is_active: bool) -> None:
        """Draws the replay; `is_active` says that its weights are the active ones."""
        page = self._page
        self._body.clear()
        self._count.set_text(_count_text(page, replay))
        with self._body:
            if not replay.decisions:
                _draw_empty(page, replayer, replay)
                return
            for hint in _hints(page, replayer, replay, is_active=is_active):
                text_element("p", hint, "orch-hint")
            if replay.changes:
                _draw_pairs(page, replay.changes)
                self._draw_changes(replayer, replay.changes, is_active=is_active)

    def _draw_changes(
        self, replayer: Replayer, changes: tuple[Comparison, ...], *, is_active: bool
    ) -> None:
        """Draws the changes, first those that come from the weights alone."""
        ordered = sorted(changes, key=replayer.matches_present)
        with disclosure(self._page("Changed decisions")) as part:
            part.props("open")
            rows = ui.element("ul").classes("orch-settings-changes")
            more = ui.button().props("flat")

        def draw_more() -> None:
            first = len(rows.default_slot.children)
            with rows:
                for change in ordered[first : first + CHANGES_PER_STEP]:
                    also_active = not is_active and replayer.matches_present(change)
                    with ui.element("li"):
                        _draw_change(self._page, change, also_active=also_active)
            left = min(CHANGES_PER_STEP, len(ordered) - first - CHANGES_PER_STEP)
            more.set_visibility(left > 0)
            more.set_text(self._page("Show {n} more", n=self._page.number(left)))

        more.on_click(draw_more)
        draw_more()


def _count_text(page: Page, replay: Replay) -> str:
    changes = len(replay.changes)
    if not replay.decisions:
        return ""
    if not changes:
        return page("No decision changes")
    decisions = page.number(len(replay.decisions))
    return page.ngettext(
        "{n} of {all} decisions changes", "{n} of {all} decisions change", changes, all=decisions
    )


def _hints(page: Page, replayer: Replayer, replay: Replay, *, is_active: bool) -> list[str]:
    return [
        *_change_hints(page, replayer, replay, is_active=is_active),
        *_limits(page, replayer, replay),
    ]


def _change_hints(page: Page, replayer: Replayer, replay: Replay, *, is_active: bool) -> list[str]:
    also_active = sum(replayer.matches_present(change) for change in replay.changes)
    if not replay.changes:
        decisions = len(replay.decisions)
        return [
            page.ngettext(
                "The one decision stays the same.", "All {n} decisions stay the same.", decisions
            )
        ]
    if is_active:
        return [
            page(
                "These are the active weights: the decisions differ because of what has been"
                " learned and measured since."
            )
        ]
    if also_active:
        return [
            page.ngettext(
                "{n} of them also changes with the active weights, because of what has been"
                " learned and measured since.",
                "{n} of them also change with the active weights, because of what has been"
                " learned and measured since.",
                also_active,
            )
        ]
    return []


def _limits(page: Page, replayer: Replayer, replay: Replay) -> list[str]:
    """What the replay does not know or leaves out."""
    limits = []
    if replayer.down:
        providers = ", ".join(replayer.down)
        limits.append(
            page(
                "{providers} can't be reached; the models listed there count as installed.",
                providers=providers,
            )
        )
    if replay.without_text:
        limits.append(_without_text(page, replay))
    if replayer.all_runs == MAX_RUNS:
        limits.append(
            page(
                "Only the last {n} runs are replayed; orch replay has no limit.",
                n=page.number(MAX_RUNS),
            )
        )
    return limits


def _without_text(page: Page, replay: Replay) -> str:
    return page.ngettext(
        "{n} run has no text and can't be replayed (journal.mode was meta).",
        "{n} runs have no text and can't be replayed (journal.mode was meta).",
        replay.without_text,
    )


def _draw_empty(page: Page, replayer: Replayer, replay: Replay) -> None:
    if replayer.config.routing.journal.mode == "off":
        hint = page("Runs are not recorded: journal.mode is off in routing.yaml.")
    elif replay.without_text:
        hint = _without_text(page, replay)
    elif replay.left_out:
        hint = page(
            "The recorded runs were not decided by orch: a model was named, or the answer came"
            " from the cache."
        )
    else:
        hint = page(
            "Ask something in the chat or with orch run. Those decisions can be replayed here."
        )
    empty_state("history", page("No runs to replay yet"), hint)


def _draw_pairs(page: Page, changes: tuple[Comparison, ...]) -> None:
    counts = Counter((change.before, change.after) for change in changes)
    rows = [
        (before, after or page("no model"), page.number(count))
        for (before, after), count in counts.most_common()
    ]
    heads = (page("From"), page("To"), page("Decisions"))
    html_table(page("Changes by model"), heads, rows, text_columns=(0, 1))


def _draw_change(page: Page, change: Comparison, *, also_active: bool) -> None:
    text_element("div", one_line(change.task)[:TASK_CHARS], "orch-settings-task")
    with ui.element("div").classes("orch-settings-facts"):
        text_element("span", task_type_label(page, change.task_type), "orch-settings-type")
        after = change.after or page("no model")
        text_element("span", page("from {before} to {after}", before=change.before, after=after))
        for text in _expectations(page, change):
            text_element("span", text, "orch-dim")
        if also_active:
            text_element("span", page("also with the active weights"), "orch-dim")


def _expectations(page: Page, change: Comparison) -> list[str]:
    number, texts = page.number, []
    (quality, new_quality), (seconds, new_seconds) = change.quality, change.seconds
    if quality is not None and new_quality is not None:
        before, after = number(10 * quality, 1), number(10 * new_quality, 1)
        text = page("expected quality {before} → {after} of 10", before=before, after=after)
        texts.append(text)
    if seconds is not None and new_seconds is not None:
        before, after = number(seconds, 1), number(new_seconds, 1)
        texts.append(page("expected time {before} → {after} s", before=before, after=after))
    return texts
