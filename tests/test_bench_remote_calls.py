"""Remote calls between two processes: what is honest works as a local call, what is forged ends the
link."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from orch.bench.remote_calls import RemoteLink
from orch.bench.remote_proxy import LinkBroken, RemoteProxy


class Counter:
    """An object that stays on its side."""

    def __init__(self, start: int) -> None:
        self.value = start

    def add(self, step: int) -> int:
        """Counts, and returns the new value."""
        if step < 0:
            raise ValueError(f"{step} is negative")
        self.value += step
        return self.value

    def fill(self, items: list[int]) -> None:
        """Appends to the caller's list."""
        items.append(self.value)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.value))


@pytest.fixture
def side() -> Iterator[SimpleNamespace]:
    """One end of a link, and a proxy of a counter at 3 on its other end, a thread."""
    (reading, out), (back, writing) = os.pipe(), os.pipe()
    counter = Counter(3)
    there = RemoteLink(back, out, trusting=True)
    there._do_counter = lambda: counter  # type: ignore[attr-defined]
    thread = threading.Thread(target=there.serve, daemon=True)
    thread.start()
    here = RemoteLink(reading, writing, trusting=False)
    yield SimpleNamespace(link=here, counter=counter, proxy=here.request("counter"))
    os.close(writing)
    thread.join()
    for end in (reading, out, back):
        os.close(end)


def test_an_object_stays_on_its_side_and_is_called_there(side: SimpleNamespace) -> None:
    assert isinstance(side.proxy, RemoteProxy)
    assert (side.proxy.add(4), side.counter.value) == (7, 7)
    side.proxy.value = 1
    assert (side.counter.value, list(side.proxy)) == (1, [0])


def test_the_same_object_has_the_same_proxy(side: SimpleNamespace) -> None:
    assert side.link.request("counter") is side.proxy


def test_an_error_is_raised_on_the_other_side_with_its_class_and_message(
    side: SimpleNamespace,
) -> None:
    with pytest.raises(ValueError, match="-1 is negative"):
        side.proxy.add(-1)
    with pytest.raises(AttributeError):
        side.proxy.nothing()


def test_a_list_that_the_other_side_changes_is_changed_here(side: SimpleNamespace) -> None:
    items: list[Any] = ["before"]
    side.proxy.fill(items)
    assert items == ["before", 3]


@pytest.mark.parametrize("number", [-1, 1, "0", None])
def test_only_a_number_that_was_handed_out_names_an_object(
    side: SimpleNamespace, number: Any
) -> None:
    given = object()
    assert side.link.local_object(side.link.number(given)) is given
    with pytest.raises(LinkBroken):
        side.link.local_object(number)


def test_a_side_that_is_gone_is_a_broken_link() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(LinkBroken):
        RemoteLink(reading, os.open(os.devnull, os.O_WRONLY), trusting=False).request("names")
    os.close(reading)


MESSAGES = [
    '["do", "call", [["python", "len"], ["tuple", ["abc"]], ["tuple", []]]]',
    '["do", "get", ["abc", "upper"]]',
    '["do", "special", [["mine", 0, 0], "__call__"]]',
    '["do", "call", [["yours", 0], ["tuple", []], ["tuple", []]]]',
    '["do", 5, []]',
    '["do"]',
    '["done"]',
    '["done", ["made", "os", "system", ["true"]], []]',
    '["done", ["python", "exec"], []]',
    '["done", ["python", "copyright"], []]',
    '["done", ["ref", 5], []]',
    '["done", ["yours", 0], []]',
    '["done", ["yours", -1], []]',
    '["done", ["set", [["list", []]]], []]',
    '["done", ["nonsense"], []]',
    '["done", [], []]',
    '["done", 1, [[7, [1]]]]',
    '["done", 1, 7]',
    '["raised", 5, []]',
    "[]",
    "{}",
    "x",
    "[" * 100_000,
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:40])
def test_what_is_no_answer_ends_the_tests(message: str) -> None:
    (reading, theirs), (unread, writing) = os.pipe(), os.pipe()
    with open(theirs, "wb") as there:
        there.write(message.encode()[:60_000] + b"\n")
    with (
        open(reading, "rb"),
        open(unread, "rb"),
        open(writing, "wb"),
        pytest.raises(LinkBroken, match="wrote on the runner's pipe"),
    ):
        RemoteLink(reading, writing, trusting=False).request("names")
