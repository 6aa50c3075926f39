"""Content encodings: the same bytes however they are split, as they are flushed, within bounds, and
the same over both transports."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from orch.errors import ProviderError
from orch.providers.http import content_encodings
from orch.providers.http.content_encodings import decode, decoders_for
from orch.providers.http.errors import BrokenBody
from tests.support.raw_server import EVENTS, HELLO, failure, raw_server, say


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "gzip and zeros": ("gzip", lambda data: gzip.compress(data) + b"\0" * 99),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "two frames": ("zstd", lambda data: zstandard.compress(data[:9]) + zstandard.compress(data)),
    "two encodings": ("gzip, zstd", lambda data: zstandard.compress(gzip.compress(data))),
    "identity": (" identity ,gzip", gzip.compress),
    "none": ("utf-8", bytes),
}
CUT = [name for name in ENCODERS if name not in ("none", "gzip and zeros")]
encodings = pytest.mark.parametrize("name", ENCODERS)


async def pieces_of(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def decoded(header: str, chunks: Iterable[bytes]) -> bytes:
    """What a body with this Content-Encoding is decoded to."""

    async def read() -> bytes:
        return b"".join([piece async for piece in decode(pieces_of(chunks), decoders_for(header))])

    return asyncio.run(read())


@encodings
@given(data=st.binary(min_size=1, max_size=300), size=st.integers(1, 64))
def test_a_body_is_decoded_however_it_is_split(name: str, data: bytes, size: int) -> None:
    header, encode = ENCODERS[name]
    body = encode(data)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    expected = data[:9] + data if name == "two frames" else data
    assert decoded(header, chunks) == expected


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_ends_too_early_is_broken(name: str) -> None:
    header, encode = ENCODERS[name]
    body = encode(HELLO)
    with pytest.raises(BrokenBody, match="ends too early"):
        decoded(header, [body[:-1]])


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_damaged_data_is_broken(name: str) -> None:
    header, encode = ENCODERS[name]
    body = encode(bytes(range(256)) * 40)
    with pytest.raises(BrokenBody):
        decoded(header, [body[:20], b"\xff" * 200, body[20:]])


@pytest.mark.parametrize("header", ["gzip", "zstd"])
def test_a_body_that_a_proxy_decoded_already_is_passed_through(header: str) -> None:
    assert decoded(header, [HELLO[:1], HELLO[1:]]) == HELLO


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", "zstd"])
def test_an_empty_body_is_complete(header: str) -> None:
    assert decoded(header, []) == b""


def flushes() -> dict[str, Callable[[], tuple[Callable[[bytes], bytes], Callable[[], bytes]]]]:
    def of_zlib() -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
        stream = zlib.compressobj(wbits=31)
        return stream.compress, lambda: stream.flush(zlib.Z_SYNC_FLUSH)

    def of_brotli() -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
        stream = brotli.Compressor()
        return stream.process, stream.flush

    def of_zstd() -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
        stream = zstandard.ZstdCompressor().compressobj()
        return stream.compress, lambda: stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    return {"gzip": of_zlib, "br": of_brotli, "zstd": of_zstd}


@pytest.mark.parametrize("name", flushes())
def test_each_flushed_event_comes_at_once(name: str) -> None:
    compress, flush = flushes()[name]()
    [decoder] = decoders_for(name)
    for event in HELLO.splitlines(keepends=True):
        assert b"".join(decoder.feed(compress(event) + flush())) == event


# ---------------------------------------------------------------- bounds


BOMBS = {
    "gzip": gzip.compress(b"\n" * 30_000_000, 9),
    "br": brotli.compress(b"\n" * 30_000_000),
    "zstd": zstandard.compress(b"\n" * 30_000_000),
    "gzip, gzip": gzip.compress(gzip.compress(b"\n" * 100_000_000, 9), 9),
    "gzip, gzip, gzip": gzip.compress(gzip.compress(gzip.compress(b"") * 400_000, 9), 9),
}


@pytest.mark.parametrize("header", BOMBS)
def test_a_bomb_ends_before_it_is_decoded(header: str) -> None:
    sizes: list[int] = []

    async def read() -> None:
        async for piece in decode(pieces_of([BOMBS[header]]), decoders_for(header)):
            sizes.append(len(piece))

    with pytest.raises(ProviderError, match="grows to over 100 times its size"):
        asyncio.run(read())
    assert sum(sizes) <= max(content_encodings.FREE_BYTES, 100 * len(BOMBS[header]))
    assert max(sizes, default=0) <= 21 * 131_072


def test_text_that_compresses_well_is_no_bomb() -> None:
    events = b"".join(
        b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%d"}}]}\n\n' % number
        for number in range(200_000)
    )
    assert decoded("gzip", [gzip.compress(events)]) == events


def test_a_body_is_encoded_a_few_times_at_most() -> None:
    with pytest.raises(ProviderError, match="encoded 6 times over"):
        decoders_for("gzip," * 6)


# ---------------------------------------------------------------- what can't be decoded


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(ProviderError, match=r"compressed as 'x-own'.*proxy in front"):
        decoders_for("x-own")


@pytest.mark.parametrize(
    ("name", "modules", "package"),
    [
        ("br", ("brotli", "brotlicffi"), "brotli>=1.2"),
        ("zstd", ("zstandard", "compression.zstd", "backports.zstd"), "zstandard"),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    name: str, modules: tuple[str, ...], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ProviderError, match=f"compressed as '{name}'.*install.*{package}"):
        decoders_for(name)


# ---------------------------------------------------------------- over a socket


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "two frames"])
async def test_both_transports_read_it(name: str, concurrent: bool) -> None:
    header, encode = ENCODERS[name]
    head = EVENTS + b"Content-Encoding: %b\r\n\r\n" % header.encode()
    async with raw_server(head, encode(HELLO)) as server:
        assert await say(server.url, concurrent=concurrent) == "Hello world"


async def test_several_headers_are_several_encodings(concurrent: bool) -> None:
    head = EVENTS + b"Content-Encoding: gzip\r\nContent-Encoding: deflate\r\n\r\n"
    async with raw_server(head, zlib.compress(gzip.compress(HELLO))) as server:
        assert await say(server.url, concurrent=concurrent) == "Hello world"


async def test_a_cut_body_is_a_cut_answer(concurrent: bool) -> None:
    events = HELLO.partition(b"data: [DONE]")[0].replace(b'"stop"', b"null")
    head = EVENTS + b"Content-Encoding: gzip\r\n\r\n"
    async with raw_server(head, gzip.compress(events)[:-9]) as server:
        error = await failure(server.url, concurrent=concurrent)
    assert (error.code, "its gzip data ends too early" in error.message) == ("cut", True)


async def test_a_bomb_over_a_socket_is_refused(concurrent: bool) -> None:
    head = EVENTS + b"Content-Encoding: gzip\r\n\r\n"
    comments = gzip.compress((b": " + b"x" * 1_000 + b"\n") * 30_000, 9)
    async with raw_server(head, comments) as server:
        error = await failure(server.url, concurrent=concurrent)
    assert "100 times its size" in error.message


async def test_the_status_of_an_error_counts_although_its_text_cannot_be_read(
    concurrent: bool,
) -> None:
    head = b"HTTP/1.1 401 No\r\nContent-Encoding: x-own\r\nContent-Length: 3\r\n\r\nabc"
    async with raw_server(head) as server:
        assert (await failure(server.url, concurrent=concurrent)).code == "denied"


async def test_the_next_address_is_asked_where_an_encoding_cannot_be_read(concurrent: bool) -> None:
    async with (
        raw_server(EVENTS + b"Content-Encoding: x-own\r\n\r\n", b"abc") as odd,
        raw_server(EVENTS + b"\r\n", HELLO) as good,
    ):
        assert await say(odd.url, good.url, concurrent=concurrent) == "Hello world"


async def test_a_plain_answer_does_not_import_the_decoders(
    concurrent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "orch.providers.http.content_encodings", None)
    async with raw_server(EVENTS + b"\r\n", HELLO) as server:
        assert await say(server.url, concurrent=concurrent) == "Hello world"
