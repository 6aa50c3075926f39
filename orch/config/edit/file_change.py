"""A change to a configuration file: read, shown as a diff, and written unless the file has changed
since."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from orch.config import files, paths
from orch.config.discovery import MOST_BYTES
from orch.errors import ConfigError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileChange:
    """The text of the file before and after. `is_new`: the file does not exist yet, and the text
    starts from the shipped one."""

    path: Path
    before: str
    after: str
    is_new: bool

    def diff(self) -> list[str]:
        """The lines of a unified diff, without its head."""
        return list(
            difflib.unified_diff(
                self.before.splitlines(), self.after.splitlines(), lineterm="", n=2
            )
        )[2:]

    def write(self) -> None:
        """Writes the change. Raises ConfigError if the file was changed since, or can't be
        written."""
        is_new = not self.path.exists()
        if is_new != self.is_new or not (is_new or read_text(self.path) == self.before):
            raise ConfigError(f"{self.path} has changed since", "review the change again")
        write_text(self.path, self.after, is_new=is_new)


def read_text(path: Path) -> str:
    """The text of a configuration file, without a byte order mark. Raises ConfigError."""
    try:
        return files.read_bounded(path, MOST_BYTES).decode("utf-8-sig")
    except files.FileTooLongError:
        raise ConfigError(f"{path}: larger than {MOST_BYTES:,} bytes") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def write_text(path: Path, text: str, *, is_new: bool) -> None:
    """Writes a configuration file atomically. A new file is its owner's alone; another one keeps
    its mode, its byte order mark and links to it. Raises ConfigError."""
    try:
        if is_new:
            paths.write_private(path, text)
            return
        has_mark = path.read_bytes().startswith(_BYTE_ORDER_MARK)
        content = text.encode("utf-8")
        paths.replace_content(path, _BYTE_ORDER_MARK + content if has_mark else content)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from None
