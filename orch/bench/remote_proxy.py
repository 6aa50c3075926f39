"""Proxy for an object of another process: forwards every operation. Imports nothing of orch: `jail`
loads it."""

from __future__ import annotations

import builtins
import operator
from typing import Any

FORGED = "the code wrote on the runner's pipe"
FIRST_SINGLE_ITEMS, MAX_PREFETCH = 32, 4_096
"""Items of an iterator: requested one by one first, then at most so many ahead."""
PLAIN_TYPES = (bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict)
SPECIAL_METHODS = (
    *(
        f"__{name}__"
        for name in (
            "call len iter next reversed getitem setitem delitem contains enter exit"
            " bool int float index complex round"
        ).split()
    ),
    *(
        f"__{name}__"
        for name in (
            "neg pos abs invert trunc floor ceil hash repr str format lt le gt ge eq ne".split()
        )
    ),
    *(
        f"__{side}{name}__"
        for side in ("", "r", "i")
        for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
    ),
    "__divmod__",
    "__rdivmod__",
)
"""The special methods that a proxy may have."""
_NUMBERS = (bool, int, float, complex)
_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_SUMS = ("__add__", "__radd__", "__sub__", "__rsub__", "__iadd__", "__isub__")


class LinkBroken(BaseException):
    """The other side ended or sent a malformed message. Not an Exception, so that a test's `except
    Exception` does not take it for an error of the code."""


class RemoteProxy:
    """Proxy of a remote object. It is compared with plain values by its plain value, which the code
    cannot influence."""

    __slots__ = ("_across",)
    _across: tuple[Any, int]
    _across_plain = ""

    def __getattr__(self, name: str) -> Any:
        return self._across[0].request("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._across[0].request("set", self, name, value)

    def __repr__(self) -> str:
        return str(self._across[0].request("special", self, "__repr__"))

    def __str__(self) -> str:
        return str(self._across[0].request("special", self, "__str__"))

    def __hash__(self) -> int:
        return (
            hash(_plain_of(self))
            if self._across_plain
            else int(self._across[0].request("special", self, "__hash__"))
        )


class RemoteClass(RemoteProxy):
    """Proxy of a remote class."""

    __slots__ = ()

    def __instancecheck__(self, thing: Any) -> bool:
        return self._across[0].request("isinstance", thing, self) is True

    def __subclasscheck__(self, thing: Any) -> bool:
        return self._across[0].request("issubclass", thing, self) is True


def _comparison(name: str) -> Any:
    def compare(self: RemoteProxy, other: Any) -> Any:
        link = self._across[0]
        if isinstance(other, RemoteProxy) and not (self._across_plain and other._across_plain):
            answer = (
                (self is other)
                if name == "__eq__" and self is other
                else link.request("special", self, name, other)
            )
            return answer if answer in (True, False, NotImplemented) else answer is True
        if not self._across_plain:
            return NotImplemented
        return getattr(operator, name)(
            _plain_of(self), _plain_of(other) if isinstance(other, RemoteProxy) else other
        )

    return compare


def _forwarding(name: str) -> Any:
    def forward(self: RemoteProxy, *given: Any) -> Any:
        # a number that is expected never reaches the code: `abs(f(0) - 32) < 1e-9` is asked of
        # numbers alone
        if name in _SUMS and type(given[0]) in _NUMBERS:
            return _sum(name, _plain_of(self), given[0]) if self._across_plain else NotImplemented
        return self._across[0].request("special", self, name, *given)

    return forward


def _sum(name: str, mine: Any, other: Any) -> Any:
    done = operator.add if name.endswith("add__") else operator.sub
    return done(other, mine) if name.startswith("__r") else done(mine, other)


def _plain_of(thing: RemoteProxy) -> Any:
    """The plain value of a proxy. Raises LinkBroken where it is not plain."""
    value = thing._across[0].request("plain", thing)
    if type(value) not in PLAIN_TYPES:
        raise LinkBroken(FORGED)
    return value


def _call_remote(self: RemoteProxy, *given: Any, **named: Any) -> Any:
    return self._across[0].request("call", self, given, tuple(named.items()))


def _next(self: RemoteProxy) -> Any:
    """The next item: one request each at first, so that lazy iterators stay lazy, then in batches,
    since thousands of requests would take seconds."""
    link, number = self._across
    ahead = link.prefetched.setdefault(number, Prefetched())
    if not ahead.items and ahead.error is None:
        ahead.taken += 1
        if ahead.taken <= FIRST_SINGLE_ITEMS:
            return link.request("special", self, "__next__")
        items, ahead.error = link.request(
            "some", self, min(2 ** (ahead.taken - FIRST_SINGLE_ITEMS + 3), MAX_PREFETCH)
        )
        ahead.items = list(reversed(items))
    if ahead.items:
        return ahead.items.pop()
    error, ahead.error = ahead.error, None
    raise error if isinstance(error, BaseException) else LinkBroken(FORGED)


class Prefetched:
    """Items of a remote iterator that were sent ahead."""

    def __init__(self) -> None:
        self.taken, self.items, self.error = 0, list[Any](), None


def _contains(self: RemoteProxy, wanted: Any) -> bool:
    return any(each is wanted or each == wanted for each in iter(self))


def proxy_type(
    name: str, has: list[str], plain: str, is_class: bool, has_hash: bool
) -> type[RemoteProxy]:
    """A proxy type with the special methods of a remote type."""
    special: dict[str, Any] = {
        each: _forwarding(each)
        for each in has
        if each in SPECIAL_METHODS and each not in ("__repr__", "__str__", "__hash__", "__dir__")
    }
    special |= {each: _comparison(each) for each in _COMPARISONS}
    if "__call__" in special:
        special["__call__"] = _call_remote
    if "__next__" in special:
        special["__next__"] = _next
    if "__contains__" in special and "__iter__" in special:
        special["__contains__"] = _contains
    special["__hash__"] = RemoteProxy.__hash__ if has_hash else None
    special["__doc__"] = property(lambda self: self._across[0].request("get", self, "__doc__"))
    if plain in {each.__name__ for each in PLAIN_TYPES}:
        special["_across_plain"] = plain
        special["__class__"] = property(lambda self: getattr(builtins, self._across_plain))
    return type(
        str(name), (RemoteClass if is_class else RemoteProxy,), {"__slots__": (), **special}
    )
