"""API keys: named, read from a file or the environment, stored as digests, compared in constant
time."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from orch.errors import UsageError

ENV_VARIABLE = "ORCH_API_KEY"
"""Read when no option names a source."""

SECRETS = "/run/secrets"
"""Where containers mount secrets. Docker gives them mode 0444, so every process in the container
may read them."""

MIN_KEY_CHARS = 16
_MAX_FILE_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEW_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes a good one"


class _Entry(NamedTuple):
    place: str
    """Where the key was found. Error messages name this: what was parsed as a name may be the key
    itself."""
    name: str
    key: str


class ApiKeys:
    """Named API keys. Its repr shows the names only."""

    __slots__ = ("_digests",)

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        # digests are all of one length, so comparing them says nothing of how long a key is
        self._digests = tuple((name, _digest(key)) for name, key in entries)

    @classmethod
    def read(
        cls, source: str = "", env: Mapping[str, str] = os.environ, *, variable: str = ENV_VARIABLE
    ) -> Self | None:
        """Reads the keys of a file or an environment variable; of `variable` if no source is given,
        and None if that is not set. Raises UsageError.

        A file has one `name: key` a line, or one bare key; a variable has `name=key,name2=key2`, or
        one bare key. A bare key is named default.
        """
        if not source:
            return cls._of(_of_variable(variable, env[variable])) if env.get(variable) else None
        # before the file: a file of that name in a cloned folder must not take the variable's place
        if _VARIABLE.fullmatch(source) and source in env:
            return cls._of(_of_variable(source, env[source]))
        return cls._of(_of_file(source))

    @classmethod
    def _of(cls, entries: Iterator[_Entry]) -> Self:
        return cls((entry.name, entry.key) for entry in _checked(list(entries)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keys, in the order in which they were read."""
        return tuple(name for name, _ in self._digests)

    def name_of(self, presented: str) -> str | None:
        """The name of a key; None if it is not valid. The time taken does not depend on how a key
        is wrong."""
        digest, valid = _digest(presented), None
        for name, known in self._digests:
            if hmac.compare_digest(known, digest):
                valid = name
        return valid

    def __repr__(self) -> str:
        return f"ApiKeys({', '.join(self.names)})"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _of_variable(name: str, value: str) -> Iterator[_Entry]:
    value = value.strip()
    # a key in base64 may end in =
    if "," not in value and "=" not in value.rstrip("="):
        yield _Entry(name, "default", value)
        return
    for number, part in enumerate(value.split(","), start=1):
        owner, equals, key = part.strip().partition("=")
        if not equals:
            raise UsageError(
                f"entry {number} of {name} has no name", f"{name} is one key, or laptop=KEY,ci=KEY2"
            )
        yield _Entry(f"entry {number} of {name}", owner.strip(), key.strip())


def _of_file(path: str) -> Iterator[_Entry]:
    lines = [
        (number, line.strip()) for number, line in enumerate(_text(path).splitlines(), start=1)
    ]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    for number, line in lines:
        place = f"{path}:{number}"
        name, colon, key = line.partition(":")
        if colon and key[:1].isspace():
            yield _Entry(place, name.strip(), key.strip())
        elif colon or len(lines) > 1:
            raise UsageError(
                f"{place} is not a `name: key` line",
                "one key a line, after its name, a colon and a space; a file with a bare key has"
                " nothing else",
            )
        else:
            yield _Entry(place, "default", line)


def _text(path: str) -> str:
    try:
        # resolved, so that only root can replace a container's secret by another file
        place = os.path.realpath(path)
        # non-blocking: a named pipe without a writer reads as empty
        with open(
            place,
            "rb",
            opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)),
        ) as stream:
            # of the open file: another could take its place between a look and the reading
            if os.name == "posix":
                _refuse_shared(path, place, os.fstat(stream.fileno()))
            data = stream.read(_MAX_FILE_BYTES + 1)
    except IsADirectoryError:
        raise UsageError(f"--api-key {path}: is a folder, not a file") from None
    except PermissionError:
        raise UsageError(f"--api-key {path}: permission denied") from None
    except (OSError, ValueError):
        # the argument is not quoted: it may be the key itself
        raise UsageError(
            "--api-key names neither a file nor a variable that is set; a key itself is not"
            " accepted, because every user of this machine can read a command line",
            "write it to a file that only you can read (umask 077) and give its path, or set"
            f" {ENV_VARIABLE}",
        ) from None
    try:
        if len(data) > _MAX_FILE_BYTES:
            raise ValueError
        return data.decode("utf-8-sig")
    except ValueError:
        raise UsageError(
            f"--api-key {path}: not a file of keys", "one key a line: `name: key`"
        ) from None


def _refuse_shared(path: str, place: str, file: os.stat_result) -> None:
    """Raises UsageError if others can read or change the file. A container secret may be readable
    by others if it belongs to root or to this user and nobody else can change it."""
    is_secret = place.startswith(f"{SECRETS}/") and file.st_uid in (0, os.geteuid())
    if stat.S_IMODE(file.st_mode) & (0o022 if is_secret else 0o077):
        raise UsageError(f"--api-key {path}: others can read or change it", f"chmod 600 {path}")


def _checked(entries: list[_Entry]) -> list[_Entry]:
    """Returns the entries if each is a valid key and none occurs twice. Raises UsageError, never
    showing a key."""
    if not entries:
        raise UsageError("--api-key: there is no key in it", _NEW_KEY)
    names: dict[str, str] = {}
    keys: dict[str, str] = {}
    for place, name, key in entries:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{place}: a name has up to 64 letters, digits, dots, dashes and underscores"
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise UsageError(f"{place}: a key is printable ASCII without spaces", _NEW_KEY)
        if len(key) < MIN_KEY_CHARS:
            raise UsageError(
                f"{place}: the key is shorter than {MIN_KEY_CHARS} characters", _NEW_KEY
            )
        for seen, value, what in ((names, name, "name"), (keys, key, "key")):
            if value in seen:
                raise UsageError(f"{place} has the same {what} as {seen[value]}")
            seen[value] = place
    return entries
