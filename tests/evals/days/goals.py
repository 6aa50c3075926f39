"""The goals of a day as checks: each tells whether it is reached, by how much, and which decisions
explain a miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from tests.evals.days.world import Day, Step, not_ruled_out

BETTER, SOONER = 0.002, 0.98
MOST_ROUND_TRIPS = 3
MOST_LOADS = {1: 0.40, 2: 0.20}
SLOWER_THAN_FASTEST, NEAR_BEST = 1.20, 0.10
BELOW_BEST = 0.02
MOST_TOLD = 6


@dataclass(frozen=True, slots=True)
class Check:
    """One goal on one day. `figure` is compared with `limit`; `missed_by` is 0 if it is reached."""

    goal: str
    figure: float
    limit: float
    reached: bool
    missed_by: float
    about: str = ""
    blamed: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)


def checks(day: Day) -> tuple[Check, ...]:
    """Every goal of the day's profile."""
    own = {"balanced": _balanced, "speed": _speed, "quality": _quality}
    return (*own[day.world.profile](day), _never_passed_over(day))


def _balanced(day: Day) -> Iterator[Check]:
    yield _not_dominated(day)
    if day.world.room == 1:
        lost = round_trips(day)
        yield _at_most(
            "round trips that lose time and quality", len(lost), MOST_ROUND_TRIPS, blamed=lost
        )
    share = day.auto.loads / len(day.steps)
    yield _at_most(
        "loads as a share of tasks",
        share,
        MOST_LOADS[day.world.room],
        f"{day.auto.loads} loads",
        _switches(day),
    )


def _not_dominated(day: Day) -> Check:
    """No kept model is better in fewer seconds."""
    auto = day.auto
    over = {
        name: each
        for name, each in day.kept.items()
        if each.quality >= auto.quality + BETTER and each.seconds <= auto.seconds * SOONER
    }
    name = max(over, key=lambda each: over[each].quality, default="")
    about = (
        f"{name} kept: {over[name].quality:.3f} in {over[name].seconds:.0f} s, auto"
        f" {auto.quality:.3f} in {auto.seconds:.0f} s"
        if name
        else ""
    )
    by = over[name].quality - auto.quality if name else 0.0
    return Check(
        "no kept model is better and sooner",
        len(over),
        0,
        not over,
        by,
        about,
        _worse_than(day, name) if name else (),
    )


def _speed(day: Day) -> Iterator[Check]:
    able = {name: day.kept[name] for name in not_ruled_out(day.steps, day.world)}
    best = max(each.quality for each in able.values())
    name = min(
        (name for name, each in able.items() if each.quality >= best - NEAR_BEST),
        key=lambda each: able[each].seconds,
    )
    limit, about = (
        able[name].seconds * SLOWER_THAN_FASTEST,
        f"{name} kept: {able[name].seconds:.0f} s",
    )
    yield _at_most(
        "seconds beside the fastest kept model that is nearly as good",
        day.auto.seconds,
        limit,
        about,
        _used(day),
    )


def _quality(day: Day) -> Iterator[Check]:
    name = max(day.kept, key=lambda each: day.kept[each].quality)
    least, figure = day.kept[name].quality - BELOW_BEST, day.auto.quality
    about = f"{name} kept: {day.kept[name].quality:.3f}"
    yield Check(
        "quality beside the best kept model",
        figure,
        least,
        figure >= least,
        max(least - figure, 0.0),
        about,
        _worse_than(day, name),
    )


def _never_passed_over(day: Day) -> Check:
    """No loaded model is left for a slower one that orch itself does not rate better."""
    lost = [step for step in day.steps if step.left]
    return _at_most(
        "decisions that leave a loaded model for a slower one that is no better",
        len(lost),
        0,
        blamed=tuple(map(_left, lost)),
    )


def _at_most(
    goal: str, figure: float, limit: float, about: str = "", blamed: tuple[str, ...] = ()
) -> Check:
    return Check(goal, figure, limit, figure <= limit, max(figure - limit, 0.0), about, blamed)


# ---------------------------------------------------------------- round trips


def round_trips(day: Day) -> tuple[str, ...]:
    """Sequences of model switches and back that took longer than staying, without better answers;
    as text."""
    lost = []
    used = [step.answer.model for step in day.steps]
    for at in range(1, len(used)):
        home, back = (
            used[at - 1],
            next(
                (later for later in range(at + 1, len(used)) if used[later] is used[at - 1]), None
            ),
        )
        if used[at] is home or back is None:
            continue
        away, returned = day.steps[at:back], day.steps[back].answer
        seconds = sum(step.answer.seconds for step in away) + returned.load_s
        stayed = sum(day.world.seconds(home, step.task) for step in away)
        gained = sum(step.quality - home.quality[step.task.label] for step in away)
        if gained <= 0 and seconds > stayed and returned.load_s:
            names = "+".join(dict.fromkeys(step.answer.model.name for step in away))
            lost.append(
                f"tasks {at + 1}-{back}: {home.name} left for {names}: {gained:+.3f} of quality,"
                f" {seconds - stayed:+.1f} s"
            )
    return tuple(lost)


# ---------------------------------------------------------------- who is to blame


def _worse_than(day: Day, name: str) -> tuple[str, ...]:
    """Where the chosen model was worse than the kept one, by type and model."""
    model = next(each for each in day.world.pool.models if each.name == name)
    lost: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for step in day.steps:
        key = (
            f"{step.task.label} (told {step.decision.task_type}): {step.answer.model.name} for"
            f" {name}"
        )
        lost[key] += model.quality[step.task.label] - step.quality  # type: ignore[assignment]
        times[key] += 1
    worst = sorted((key for key in lost if lost[key] > 0), key=lambda key: -lost[key])
    return tuple(
        f"{key}: {times[key]} x, -{lost[key] / len(day.steps):.3f}" for key in worst[:MOST_TOLD]
    )


def _used(day: Day) -> tuple[str, ...]:
    names = Counter(step.answer.model.name for step in day.steps)
    seconds = {
        name: sum(step.answer.seconds for step in day.steps if step.answer.model.name == name)
        for name in names
    }
    return tuple(
        f"{name}: {n} tasks, {seconds[name]:.0f} s" for name, n in names.most_common(MOST_TOLD)
    )


def _switches(day: Day) -> tuple[str, ...]:
    loads = [step for step in day.steps if step.answer.load_s]
    found = Counter(
        f"{'+'.join(step.before) or 'nothing'} -> {step.answer.model.name} at"
        f" {step.decision.task_type}"
        for step in loads
    )
    return tuple(f"{n} x {said}" for said, n in found.most_common(MOST_TOLD))


def _left(step: Step) -> str:
    decision, best = step.decision, step.left[0]
    chosen = next(each for each in decision.candidates if each.key == decision.key)
    loaded = " (loaded)" if chosen.resident else ""
    one, other = ((each.quality, each.expected_s) for each in (best, chosen))
    return (
        f"{decision.task_type} {decision.confidence:.2f} {step.task.text[:40]!r}: {best.model_id}"
        f" ({one[0]:.3f}, {one[1]:.1f} s) left for {chosen.model_id}{loaded} ({other[0]:.3f},"
        f" {other[1]:.1f} s)"
    )
