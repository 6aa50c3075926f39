"""Decodes response bodies by their Content-Encoding, piece by piece and within bounds; knows
nothing of HTTP libraries.

orch asks for `identity`, but some reverse proxies compress whatever they pass on. Both transports
leave bodies as they come, so that this module is the one place where they are decoded. It is
imported when a compressed response arrives.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol

from orch.errors import ProviderError
from orch.providers.http.errors import BrokenBody
from orch.providers.read_limits import error_line, limit_error

PIECE_BYTES = 262_144
"""The most that one step of decoding yields, so that the limits on what follows apply in time."""
STEP_BYTES = 4_096
"""What a decoder is fed at once: behind the end of a member, zlib copies all that follows, which
takes quadratic time for a body of many small members."""
ZSTANDARD_STEP_BYTES = 64
"""The same for the package zstandard, which has no limit on its output: 64 bytes hold at most 21
blocks of 128 KB."""
MAX_ENCODINGS = 5
"""Of one body. curl has the same limit."""
FREE_BYTES = 4_000_000
MAX_RATIO = 100
"""A body that decodes to over FREE_BYTES may grow to MAX_RATIO times its size. Streams of events
reach 20; a gzip bomb has 1,000, a zstd bomb 30,000."""
PASSED_THROUGH = ("", "identity", "none", "utf-8", "utf8", "binary")
"""No encodings; all but the first two are mistakes of servers."""
_ZSTD_WINDOW_LOG = 23  # 8 MB: RFC 9659 allows no larger window for HTTP
_Open = Callable[[bytes], "_Stream"]


def decoders_for(header: str) -> list[Decoder]:
    """The decoders of a Content-Encoding header, in the order of decoding. Raises ProviderError for
    an encoding that can't be decoded here."""
    names = [name.strip().lower() for name in header.split(",")]
    names = [name for name in names if name not in PASSED_THROUGH]
    if len(names) > MAX_ENCODINGS:
        raise limit_error(f"a body that is encoded {len(names)} times over")
    return [_open_decoder(name) for name in reversed(names)]


async def decode(chunks: AsyncIterable[bytes], decoders: list[Decoder]) -> AsyncIterator[bytes]:
    """Yields the decoded body as it arrives. Raises BrokenBody, and ProviderError for a body that
    grows out of proportion."""
    stages, received = [_Stage(decoder) for decoder in decoders], 0
    async for chunk in chunks:
        received += len(chunk)
        pieces: Iterable[bytes] = (chunk,)
        for stage in stages:
            pieces = stage.feed(pieces, received)
        for piece in pieces:
            yield piece
    if received:
        for stage in stages:
            stage.decoder.finish()


class _Stage:
    """One decoder, and the size of what it decoded: an inner layer of a bomb may be larger than
    what comes out in the end."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder, self._decoded = decoder, 0

    def feed(self, pieces: Iterable[bytes], received: int) -> Iterator[bytes]:
        for piece in pieces:
            for decoded in self.decoder.feed(piece):
                self._decoded += len(decoded)
                if self._decoded > max(FREE_BYTES, MAX_RATIO * received):
                    raise limit_error(
                        f"a compressed body that grows to over {MAX_RATIO} times its size"
                    )
                yield decoded


class Decoder:
    """Decodes one encoding: several members in a row (gzip's name; zstd's are frames).

    A body without the `magic` that the encoding begins with is passed through: some proxies decode
    a body and leave its Content-Encoding.
    """

    def __init__(
        self, name: str, open_stream: _Open, magic: bytes = b"", *, step: int = STEP_BYTES
    ) -> None:
        self._name, self._open, self._magic, self._step = name, open_stream, magic, step
        self._head = b""
        self._stream: _Stream | None = None
        self._is_plain = self._is_finished = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields what `data` completes, at most PIECE_BYTES at once. Raises BrokenBody."""
        if self._is_plain:
            yield data
            return
        for at in range(0, len(data), self._step):
            yield from self._decode(data[at : at + self._step])

    def _decode(self, data: bytes) -> Iterator[bytes]:
        while data and not self._is_finished:
            if self._stream is None or self._stream.eof:
                data, self._head = self._head + data, b""
                if not self._start(data):
                    if self._is_plain:
                        yield data
                    return
            assert self._stream is not None
            yield from self._pieces(self._stream, data)
            data = self._stream.unused_data if self._stream.eof else b""

    def _start(self, data: bytes) -> bool:
        """Starts the first or the next member, if `data` is enough to tell. What follows the last
        one is ignored, as gzip ignores the zeros of tapes."""
        is_first = self._stream is None
        if len(data) < len(self._magic) and self._magic.startswith(data):
            self._head = data
            return False
        if data.startswith(self._magic) and (is_first or self._magic):
            self._stream = self._open(data)
            return True
        self._is_plain, self._is_finished = is_first, not is_first
        return False

    def _pieces(self, stream: _Stream, data: bytes) -> Iterator[bytes]:
        try:
            yield from filter(None, stream.pieces(data))
        except (BrokenBody, ProviderError, MemoryError):
            raise
        except Exception as error:  # brotli.error and ZstdError have no common base
            detail = error_line(error)
            raise BrokenBody(f"its {self._name} data is damaged ({detail})") from None

    def finish(self) -> None:
        """Raises BrokenBody if the body is not complete."""
        if not (self._is_plain or (self._stream and self._stream.eof and not self._head)):
            raise BrokenBody(f"its {self._name} data ends too early")


# ---------------------------------------------------------------- the encodings


class _Stream(Protocol):
    """One member of a compressed body."""

    eof: bool
    unused_data: bytes

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yields what `data` completes; raises whatever its library raises."""


class _ZlibStream:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)
        self.eof, self.unused_data = False, b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        piece = b"-"
        # a full piece may leave output behind although all input is taken
        while not self.eof and (data or len(piece) == PIECE_BYTES):
            piece = self._stream.decompress(data, PIECE_BYTES)
            data = self._stream.unconsumed_tail
            self.eof, self.unused_data = self._stream.eof, self._stream.unused_data
            yield piece


class _BrotliStream:
    def __init__(self, library: Any) -> None:
        self._stream = library.Decompressor()
        self.eof, self.unused_data = False, b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.process(data, output_buffer_limit=PIECE_BYTES)
        while not self._stream.can_accept_more_data():
            yield self._stream.process(b"", output_buffer_limit=PIECE_BYTES)
        self.eof = self._stream.is_finished()


class _ZstdStream:
    """By Python 3.14's compression.zstd, or backports.zstd."""

    def __init__(self, library: Any) -> None:
        limit = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._stream = library.ZstdDecompressor(options=limit)
        self.eof, self.unused_data = False, b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data, PIECE_BYTES)
        while not self._stream.eof and not self._stream.needs_input:
            yield self._stream.decompress(b"", PIECE_BYTES)
        self.eof, self.unused_data = self._stream.eof, self._stream.unused_data


class _ZstandardStream:
    """By the package zstandard."""

    def __init__(self, library: Any) -> None:
        window = 2**_ZSTD_WINDOW_LOG
        self._stream = library.ZstdDecompressor(max_window_size=window).decompressobj()
        self.eof, self.unused_data = False, b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data)
        self.eof, self.unused_data = self._stream.eof, self._stream.unused_data


def _open_gzip(_head: bytes) -> _Stream:
    return _ZlibStream(16 + zlib.MAX_WBITS)


def _open_deflate(head: bytes) -> _Stream:
    """With zlib's header as the standard has it, or without one, as some servers send it. Its first
    byte tells them apart: a raw stream that begins with 0x78 would be a stored block with bits set
    that are padding."""
    is_zlib = head[0] & 0x0F == 8 and head[0] >> 4 <= 7
    return _ZlibStream(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _open_decoder(name: str) -> Decoder:
    if name in ("gzip", "x-gzip"):
        return Decoder(name, _open_gzip, b"\x1f\x8b")
    if name == "deflate":
        return Decoder(name, _open_deflate)
    if name == "br":
        library = _library("brotlicffi", "brotli")
        if hasattr(getattr(library, "Decompressor", None), "can_accept_more_data"):
            return Decoder(name, lambda _: _BrotliStream(library))
        raise _unreadable(name, "brotli>=1.2")  # older ones have no limit on what they decode
    if name == "zstd":
        return _zstd_decoder()
    raise _unreadable(name)


def _zstd_decoder() -> Decoder:
    magic = b"\x28\xb5\x2f\xfd"
    if library := _library("compression.zstd", "backports.zstd"):
        return Decoder("zstd", lambda _: _ZstdStream(library), magic)
    if library := _library("zstandard"):
        step = ZSTANDARD_STEP_BYTES
        return Decoder("zstd", lambda _: _ZstandardStream(library), magic, step=step)
    raise _unreadable("zstd", "zstandard")


def _library(*names: str) -> Any:
    """The first of these modules that is installed, or None."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _unreadable(name: str, package: str = "") -> ProviderError:
    remedy = "stop the proxy in front of the server from compressing (orch asks it not to)"
    if package:
        from orch.config.installation import install_library_command

        remedy += f", or install what reads it: {install_library_command(package)}"
    what = f"the answer is compressed as {error_line(name)[:40]!r}, which can't be read here"
    return ProviderError("bad_response", f"{what}: {remedy}")
