"""Encodes values as JSON between two processes: plain values are copied, and lists, sets and dicts
are kept in sync during a call.

Received data is never executed; it can only name the types of the standard library listed here.
Imports nothing of orch but `remote_proxy`: `jail` loads it.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from orch.bench.remote_proxy import FORGED, LinkBroken, RemoteProxy

MAX_DEPTH = 150
"""Nesting depth; deeper values are passed by reference."""
_BIG_BITS = 10_000
_FORBIDDEN_FUNCTIONS = tuple(
    "exec eval compile open __import__ breakpoint input globals locals vars dir getattr setattr"
    " delattr hasattr".split()
)
"""Built-in functions that no value may be."""
_STANDARD_TYPES: dict[tuple[str, str], Callable[[Any], list[Any]]] = {
    ("fractions", "Fraction"): lambda v: [v.numerator, v.denominator],
    ("decimal", "Decimal"): lambda v: [str(v)],
    ("collections", "Counter"): lambda v: [dict(v)],
    ("collections", "OrderedDict"): lambda v: [list(v.items())],
    ("collections", "defaultdict"): lambda v: [v.default_factory, dict(v)],
    ("collections", "deque"): lambda v: [list(v), v.maxlen],
    ("datetime", "date"): lambda v: [v.year, v.month, v.day],
    ("datetime", "datetime"): lambda v: [
        v.year,
        v.month,
        v.day,
        v.hour,
        v.minute,
        v.second,
        v.microsecond,
    ],
    ("datetime", "time"): lambda v: [v.hour, v.minute, v.second, v.microsecond],
    ("datetime", "timedelta"): lambda v: [v.days, v.seconds, v.microseconds],
    ("uuid", "UUID"): lambda v: [str(v)],
    ("pathlib", "PosixPath"): lambda v: [str(v)],
    ("builtins", "range"): lambda v: [v.start, v.stop, v.step],
    ("builtins", "slice"): lambda v: [v.start, v.stop, v.step],
}
"""Types of the standard library that are copied too, with the parts that each is made of."""


class ValueCodec:
    """Encodes the values of one request. Its lists, sets and dicts have numbers: changes of a copy
    are applied to the original when the response arrives."""

    def __init__(self, link: Any) -> None:
        self._link, self.containers, self._places = link, list[Any](), dict[int, int]()

    def _hold(self, container: Any) -> int:
        self._places[id(container)] = len(self.containers)
        self.containers.append(container)
        return len(self.containers) - 1

    def encode(self, value: Any, depth: int = 0) -> Any:
        """A value as JSON: itself, or a list of its kind and its parts."""
        kind = type(value)
        if (
            value is None
            or kind in (bool, str, float)
            or (kind is int and value.bit_length() < _BIG_BITS)
        ):
            return value
        if isinstance(value, RemoteProxy) and value._across[0] is self._link:
            return ["yours", value._across[1]]
        if isinstance(value, BaseException):
            return self._encode_error(value)
        if kind in (list, set, dict, bytearray) and depth < MAX_DEPTH:
            if id(value) in self._places:
                return ["ref", self._places[id(value)]]
            self._hold(value)
            return [kind.__name__, self._items(value, depth + 1)]
        if kind in (tuple, frozenset) and depth < MAX_DEPTH:
            return [kind.__name__, [self.encode(each, depth + 1) for each in value]]
        return self._encode_other(kind, value, depth)

    def _encode_other(self, kind: type, value: Any, depth: int) -> Any:
        if kind is int:
            return ["int", hex(value)]
        if kind is bytes:
            return ["bytes", value.hex()]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if value is NotImplemented or value is Ellipsis:
            return ["constant", str(value)]
        # Python 3.13 defines the classes of pathlib in pathlib._local
        place = (kind.__module__.removesuffix("._local"), kind.__qualname__)
        if (
            place in _STANDARD_TYPES
            and getattr(sys.modules.get(place[0]), place[1], None) is kind
            and getattr(value, "tzinfo", None) is None
        ):
            return [
                "made",
                *place,
                [self.encode(each, depth + 1) for each in _STANDARD_TYPES[place](value)],
            ]
        if isinstance(value, type) and issubclass(value, BaseException) and not is_builtin(value):
            return (
                ["errors", self._link.number(value)]
                if "_across" not in vars(value)
                else ["yours", vars(value)["_across"]]
            )
        if kind in (type, type(len)) and is_builtin(value):
            return ["python", value.__name__]
        return ["mine", self._link.number(value), self._link.type_number(kind)]

    def _encode_error(self, error: BaseException) -> Any:
        if isinstance(
            there := getattr(error, "_across_number", None), int
        ):  # it came from the other side and goes back
            return ["yours", there]
        kind = type(error)
        given = [self.encode(each, 1) for each in error.args]
        if across := vars(kind).get("_across"):
            return ["raised again", across, given]
        return [
            "raised",
            self._link.number(error),
            kind.__name__ if is_builtin(kind) else self._link.number(kind),
            given,
        ]

    def _items(self, container: Any, depth: int) -> Any:
        if type(container) is bytearray:
            return container.hex()
        if type(container) is dict:
            return [
                [self.encode(key, depth), self.encode(value, depth)]
                for key, value in container.items()
            ]
        return [self.encode(each, depth) for each in container]

    def contents(self, place: int) -> Any:
        """The present contents of a container."""
        return self._items(self.containers[place], 1)

    def apply_changes(self, changes: Any) -> None:
        """Replaces the contents of containers with those of their copies."""
        try:
            for place, items in changes:
                container = self.containers[place]
                container.clear()
                self._fill(container, items)
        except (TypeError, ValueError, LookupError):
            raise LinkBroken(FORGED) from None

    def _fill(self, container: Any, items: Any) -> None:
        if type(container) is bytearray:
            container.extend(bytes.fromhex(items))
        elif type(container) is dict:
            container.update([(self.decode(key), self.decode(value)) for key, value in items])
        else:
            (container.update if type(container) is set else container.extend)(
                [self.decode(each) for each in items]
            )

    def decode(self, packed: Any) -> Any:
        """Decodes a value. Raises LinkBroken for what `encode` never produces."""
        if not isinstance(packed, list):
            return packed
        try:
            return self._decode(*packed)
        except (
            TypeError,
            ValueError,
            LookupError,
            AttributeError,
            OverflowError,
            StopIteration,
        ) as error:
            raise LinkBroken(
                f"the code wrote on the runner's pipe ({type(error).__name__})"
            ) from None

    def _decode(self, kind: str, *rest: Any) -> Any:
        link = self._link
        if kind in ("list", "set", "dict", "bytearray"):
            container: Any = {"list": list, "set": set, "dict": dict, "bytearray": bytearray}[
                kind
            ]()
            self._hold(container)
            self._fill(container, rest[0])
            return container
        if kind in ("tuple", "frozenset"):
            return (tuple if kind == "tuple" else frozenset)(
                [self.decode(each) for each in rest[0]]
            )
        if kind == "made":
            return (
                getattr(import_module(rest[0]), rest[1])(*map(self.decode, rest[2]))
                if (rest[0], rest[1]) in _STANDARD_TYPES
                else _fail()
            )
        if kind in ("raised", "raised again"):
            return self._decode_error(kind, *rest)
        simple: dict[str, Callable[[], Any]] = {
            "ref": lambda: self.containers[rest[0]],
            "int": lambda: int(rest[0], 16),
            "bytes": lambda: bytes.fromhex(rest[0]),
            "complex": lambda: complex(*rest),
            "constant": lambda: {"NotImplemented": NotImplemented, "Ellipsis": Ellipsis}[rest[0]],
            "python": lambda: (
                builtin
                if rest[0] not in _FORBIDDEN_FUNCTIONS
                and isinstance(builtin := getattr(builtins, rest[0]), (type, type(len)))
                else _fail()
            ),
            "errors": lambda: link.error_class(rest[0]),
            "yours": lambda: link.local_object(rest[0]),
            "mine": lambda: link.proxy(int(rest[0]), int(rest[1])),
        }
        return simple[kind]()

    def _decode_error(self, kind: str, *rest: Any) -> BaseException:
        link = self._link
        if kind == "raised again":
            return _new_error(link.local_object(rest[0]), [self.decode(each) for each in rest[1]])
        number, name, given = rest
        error = _new_error(
            builtin_error(name) if isinstance(name, str) else link.error_class(name),
            [self.decode(each) for each in given],
        )
        error._across_number = int(number)  # type: ignore[attr-defined]
        return error


def _fail() -> Any:
    raise ValueError


def is_builtin(thing: Any) -> bool:
    """Whether a class or function is a Python built-in."""
    return getattr(builtins, getattr(thing, "__name__", ""), None) is thing


def builtin_error(name: str) -> type[BaseException]:
    """The built-in exception class of that name, else Exception."""
    kind = getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else Exception


def _new_error(kind: type[BaseException], given: list[Any]) -> BaseException:
    """An exception with these arguments; one of a custom class is created without its
    __init__."""
    try:
        error = kind(*given) if is_builtin(kind) else kind.__new__(kind, *given)
        error.args = tuple(given)
    except TypeError:  # UnicodeDecodeError takes exactly five arguments, of certain types
        error = Exception(*given)
    return error
