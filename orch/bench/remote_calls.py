"""Remote calls between two processes over a pair of pipes: plain values are copied, other objects
stay in their process and are called by reference.

Between tests and the code that they test, so neither side believes more than it must: what a plain
value is, is decided by this side's own types.
Imports nothing of orch but `far` and `copies`: `jail` loads it in both processes before they are
confined.
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
"""Of one message."""
PREFETCH_S = 0.01
"""For what is taken of an iterator before it is asked for."""
_DOING = ("get", "set", "call", "special", "some")
_TOLD = ("__name__", "__qualname__", "__module__", "__doc__")
_INNER = ("gi_", "cr_", "ag_", "tb_", "f_", "co_")
"""How names begin by which a frame could be reached, and from there everything."""


class RemoteLink:
    """This end. `trusting`: whether everything may be done with this side's objects; else only what
    code does with what it is given."""

    def __init__(self, reading: int, writing: int, *, trusting: bool) -> None:
        self._reading, self._writing, self._trusting = reading, writing, trusting
        self._buffer, self._broken = bytearray(), ""
        self.prefetched: dict[int, Prefetched] = {}
        self._ours: list[Any] = []  # never forgotten: an id is not used again
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

    # ------------------------------------------------------------ asking and being asked

    def request(self, what: str, *values: Any) -> Any:
        """What the other side answers, which may ask in between. Raises what it raised, and
        Broken."""
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
        """Answers until the other side closes."""
        while True:
            try:
                kind, *rest = self._receive()
            except LinkBroken:
                return
            if kind == "do":
                self._answer(rest)

    def _answer(self, question: list[Any]) -> None:
        copies, (what, packed) = ValueCodec(self), _checked(question)
        if (
            not self._trusting
            and what in _DOING
            and not (packed and isinstance(packed[0], list) and packed[0][0] == "yours")
        ):
            raise LinkBroken(FORGED)  # what it was given, and nothing else
        values = [copies.decode(each) for each in packed]
        before = [copies.contents(place) for place in range(len(copies.containers))]
        try:
            kind, value = "done", getattr(self, f"_do_{what}")(*values)
        except LinkBroken:
            raise
        except (
            BaseException
        ) as error:  # sys.exit() of the code is a failure of its test, not the end of the process
            kind, value = "raised", error
        said = copies.encode(value)
        after = [
            [place, now]
            for place, then in enumerate(before)
            if (now := copies.contents(place)) != then
        ]
        self._send([kind, said, after])

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
                raise LinkBroken("it answered too much" if piece else "the code ended the process")
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

    # ------------------------------------------------------------ what may be asked

    def _do_get(self, thing: Any, name: str) -> Any:
        if (
            not self._trusting
            and name not in _TOLD
            and (name.startswith(("_", *_INNER)) or isinstance(thing, type(sys)))
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
        """The next ones of an iterator, and the error that came then."""
        found, until = list[Any](), monotonic() + PREFETCH_S
        try:
            while not found or (len(found) < most and monotonic() < until):
                found.append(next(thing))
        except BaseException as error:
            return found, error
        return found, None

    def _do_type(self, number: int) -> list[Any]:
        """Of a type: its name, the special methods that it has, the plain type that it is made of,
        whether it is one of types."""
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
        """A copy of the plain value that an object of a subclass is, made by the plain type's own
        methods."""
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
        """Of a class of errors: its name, and its bases, each by name where it is Python's own."""
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
        """The number under which the other side knows an object of this one."""
        if id(thing) not in self._numbers:
            self._numbers[id(thing)] = len(self._ours)
            self._ours.append(thing)
        return self._numbers[id(thing)]

    def type_number(self, kind: type) -> int:
        """The same of a type, which is told of and not given away."""
        if kind not in self._kinds:
            self._kinds.append(kind)
        return self._kinds.index(kind)

    def local_object(self, number: int) -> Any:
        """The object of a number. Raises Broken for one that was never given away."""
        if not isinstance(number, int) or not 0 <= number < len(self._ours):
            raise LinkBroken(FORGED)
        return self._ours[number]

    def proxy(self, number: int, type_number: int) -> RemoteProxy:
        """What stands for an object of the other side: the same for the same."""
        if number not in self._theirs:
            if type_number not in self._types:
                self._types[type_number] = proxy_type(*self.request("type", type_number))
            made = object.__new__(self._types[type_number])
            object.__setattr__(made, "_across", (self, number))
            self._theirs[number] = made
        return self._theirs[number]

    def error_class(self, number: int) -> type[BaseException]:
        """What stands for a class of errors of the other side, with bases of the same kind, so that
        `except` knows it."""
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
                    "__getattr__": lambda error, name: self._of_error(error, name),
                },
            )
        return self._raised[number]

    def _of_error(self, error: BaseException, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.request("get", error, name)


def _checked(question: list[Any]) -> tuple[str, list[Any]]:
    """What is asked, and of what. Raises Broken for what is no question."""
    if len(question) != 2 or not isinstance(question[0], str) or not isinstance(question[1], list):
        raise LinkBroken(FORGED)
    return question[0], question[1]


def _method(kind: type, name: str) -> Any:
    """What a type has of its own or by inheritance, not by its metaclass."""
    return next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
