"""Remote calls between two processes over a pair of pipes: plain values are copied, other objects
stay in their process and are called by reference.

The processes run tests and the code under test, so neither side trusts the other: each decides by
its own types what a plain value is. Imports nothing of orch but `remote_proxy` and `remote_values`:
`jail` loads it in both processes before they are confined.
"""

from __future__ import annotations

import json
import os
import sys
from time import monotonic
from typing import Any

from orch.bench.remote_proxy import (
    FORGED,
    PLAIN_TYPES,
    SPECIAL_METHODS,
    LinkBroken,
    Prefetched,
    RemoteProxy,
    proxy_type,
)
from orch.bench.remote_values import ValueCodec, builtin_error, is_builtin

MAX_MESSAGE_BYTES = 32_000_000
"""Size limit of one message."""
PREFETCH_S = 0.01
"""Time spent on items of an iterator that are sent before they are requested."""
_OBJECT_OPERATIONS = ("get", "set", "call", "special", "some")
_READABLE_NAMES = ("__name__", "__qualname__", "__module__", "__doc__")
_FRAME_PREFIXES = ("gi_", "cr_", "ag_", "tb_", "f_", "co_")
"""Prefixes of attributes that lead to a frame, and from there to everything."""


class RemoteLink:
    """This end of the link. `trusting`: the other side may use every object of this side, else only
    those that it was given."""

    def __init__(self, reading: int, writing: int, *, trusting: bool) -> None:
        self._reading, self._writing, self._trusting = reading, writing, trusting
        self._buffer, self._broken = bytearray(), ""
        self.prefetched: dict[int, Prefetched] = {}
        self._ours: list[Any] = []  # kept for good: an id is never reused
        self._numbers: dict[int, int] = {}
        self._kinds: list[type] = []
        self._theirs: dict[int, RemoteProxy] = {}
        self._types: dict[int, type[RemoteProxy]] = {}
        self._raised: dict[int, type[BaseException]] = {}
        self._read, self._write, self._dump, self._parse = (
            os.read,
            os.write,
            json.JSONEncoder(separators=(",", ":")).encode,
            json.loads,
        )

    # ------------------------------------------------------------ requests

    def request(self, what: str, *values: Any) -> Any:
        """Sends a request and returns the result; serves requests of the other side meanwhile.

        Raises what the other side raised, and LinkBroken.
        """
        copies = ValueCodec(self)
        self._send(["do", what, [copies.encode(each) for each in values]])
        while True:
            kind, *rest = self._receive()
            if kind == "do":
                self._answer(rest)
            elif kind in ("done", "raised") and len(rest) == 2:
                value = copies.decode(rest[0])
                copies.apply_changes(rest[1])
                if kind == "raised":
                    raise value if isinstance(value, BaseException) else LinkBroken(FORGED)
                return value
            else:
                raise LinkBroken(FORGED)

    def serve(self) -> None:
        """Serves requests until the other side closes the link."""
        while True:
            try:
                kind, *rest = self._receive()
            except LinkBroken:
                return
            if kind == "do":
                self._answer(rest)

    def _answer(self, question: list[Any]) -> None:
        copies, (what, packed) = ValueCodec(self), _checked_request(question)
        if (
            not self._trusting
            and what in _OBJECT_OPERATIONS
            and not (packed and isinstance(packed[0], list) and packed[0][0] == "yours")
        ):
            raise LinkBroken(FORGED)  # the other side may use what it was given, nothing else
        values = [copies.decode(each) for each in packed]
        before = [copies.contents(place) for place in range(len(copies.containers))]
        try:
            kind, value = "done", getattr(self, f"_do_{what}")(*values)
        except LinkBroken:
            raise
        except (
            BaseException
        ) as error:  # sys.exit() in the code fails its test and does not end the process
            kind, value = "raised", error
        encoded = copies.encode(value)
        after = [
            [place, now]
            for place, then in enumerate(before)
            if (now := copies.contents(place)) != then
        ]
        self._send([kind, encoded, after])

    def _send(self, message: list[Any]) -> None:
        data = self._dump(message).encode() + b"\n"
        view = memoryview(data)
        try:
            while view:
                view = view[self._write(self._writing, view) :]
        except OSError:
            raise LinkBroken("the code ended the process") from None

    def _receive(self) -> list[Any]:
        try:
            return self._message()
        except LinkBroken as broken:
            self._broken = str(broken)
            raise

    def _message(self) -> list[Any]:
        if self._broken:
            raise LinkBroken(self._broken)
        while (end := self._buffer.find(b"\n")) < 0:
            piece = self._read(self._reading, 1 << 16)
            if not piece or len(self._buffer) > MAX_MESSAGE_BYTES:
                raise LinkBroken(
                    "the answer is too long" if piece else "the code ended the process"
                )
            self._buffer += piece
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            message = self._parse(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, list) or not message:
            raise LinkBroken(FORGED)
        return message

    # ------------------------------------------------------------ operations

    def _do_get(self, thing: Any, name: str) -> Any:
        if (
            not self._trusting
            and name not in _READABLE_NAMES
            and (name.startswith(("_", *_FRAME_PREFIXES)) or isinstance(thing, type(sys)))
        ):
            raise AttributeError(name)
        return getattr(thing, name)

    def _do_set(self, thing: Any, name: str, value: Any) -> None:
        if not self._trusting and (
            name.startswith("_")
            or isinstance(thing, type)
            or not hasattr(thing, "__dict__")
            or callable(thing)
        ):
            raise AttributeError(name)
        setattr(thing, name, value)

    def _do_call(
        self, thing: Any, given: tuple[Any, ...], named: tuple[tuple[str, Any], ...]
    ) -> Any:
        return thing(*given, **dict(named))

    def _do_special(self, thing: Any, name: str, *given: Any) -> Any:
        if name not in SPECIAL_METHODS:
            raise AttributeError(name)
        return getattr(type(thing), name)(thing, *given)

    def _do_some(self, thing: Any, most: int) -> tuple[list[Any], BaseException | None]:
        """The next items of an iterator, and the error that followed."""
        items, until = list[Any](), monotonic() + PREFETCH_S
        try:
            while not items or (len(items) < most and monotonic() < until):
                items.append(next(thing))
        except BaseException as error:
            return items, error
        return items, None

    def _do_type(self, number: int) -> list[Any]:
        """Describes a type: name, special methods, plain base type, whether it is a metaclass."""
        kind = self._kinds[number]
        has = [
            name
            for name in SPECIAL_METHODS
            if _method(kind, name) not in (None, _method(object, name))
        ]
        plain = next((each.__name__ for each in PLAIN_TYPES if issubclass(kind, each)), "")
        return [
            kind.__name__,
            has,
            plain,
            issubclass(kind, type),
            _method(kind, "__hash__") is not None,
        ]

    def _do_plain(self, thing: Any) -> Any:
        """Copies an object of a subclass to its plain base type, by that type's own methods."""
        base: Any = next(each for each in PLAIN_TYPES if isinstance(thing, each))
        if base in (list, set, dict, bytearray):
            return base.copy(thing)
        if base in (int, float, complex):
            return {int: int.__index__, float: float.__float__, complex: complex.__pos__}[base](
                thing
            )
        pieces = base.__iter__(thing)
        return "".join(pieces) if base is str else base(pieces)

    def _do_isinstance(self, thing: Any, kind: Any) -> bool:
        return isinstance(thing, kind)

    def _do_issubclass(self, thing: Any, kind: Any) -> bool:
        return issubclass(thing, kind)

    def _do_bases(self, number: int) -> list[Any]:
        """Describes an exception class: its name and bases, built-in ones by name."""
        kind = self._ours[number]
        return [
            kind.__name__,
            [
                each.__name__ if is_builtin(each) else self.number(each)
                for each in kind.__bases__
                if issubclass(each, BaseException)
            ],
        ]

    # ------------------------------------------------------------ objects

    def number(self, thing: Any) -> int:
        """The number by which the other side knows a local object."""
        if id(thing) not in self._numbers:
            self._numbers[id(thing)] = len(self._ours)
            self._ours.append(thing)
        return self._numbers[id(thing)]

    def type_number(self, kind: type) -> int:
        """The number of a type, which is described but not handed out."""
        if kind not in self._kinds:
            self._kinds.append(kind)
        return self._kinds.index(kind)

    def local_object(self, number: int) -> Any:
        """The local object of a number. Raises LinkBroken for one that was not handed out."""
        if not isinstance(number, int) or not 0 <= number < len(self._ours):
            raise LinkBroken(FORGED)
        return self._ours[number]

    def proxy(self, number: int, type_number: int) -> RemoteProxy:
        """The proxy of a remote object; the same object always has the same proxy."""
        if number not in self._theirs:
            if type_number not in self._types:
                self._types[type_number] = proxy_type(*self.request("type", type_number))
            proxy = object.__new__(self._types[type_number])
            object.__setattr__(proxy, "_across", (self, number))
            self._theirs[number] = proxy
        return self._theirs[number]

    def error_class(self, number: int) -> type[BaseException]:
        """A local class for a remote exception class, with matching bases, so that `except`
        works."""
        if number not in self._raised:
            name, bases = self.request("bases", number)
            kinds = tuple(
                builtin_error(each) if isinstance(each, str) else self.error_class(each)
                for each in bases
            ) or (Exception,)
            self._raised[number] = type(
                str(name),
                kinds,
                {
                    "_across": number,
                    "__module__": "answer",
                    "__getattr__": lambda error, name: self._error_attribute(error, name),
                },
            )
        return self._raised[number]

    def _error_attribute(self, error: BaseException, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.request("get", error, name)


def _checked_request(question: list[Any]) -> tuple[str, list[Any]]:
    """The operation and its arguments. Raises LinkBroken for a malformed request."""
    if len(question) != 2 or not isinstance(question[0], str) or not isinstance(question[1], list):
        raise LinkBroken(FORGED)
    return question[0], question[1]


def _method(kind: type, name: str) -> Any:
    """A method that a type has itself or inherits, not one of its metaclass."""
    return next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
