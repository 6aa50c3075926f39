"""The id that a client gives its conversation, and the session's name in the journal (pure)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

OWN_HEADER = b"x-orch-session"
CLIENT_HEADERS = (
    OWN_HEADER,
    b"x-session-affinity",  # OpenCode
    b"x-session-id",  # OpenCode
    b"session-id",  # Codex
    b"session_id",  # Codex before 0.90
    b"x-claude-code-session-id",
    b"x-openwebui-chat-id",  # with ENABLE_FORWARD_USER_INFO_HEADERS
)
"""The first that a request has counts."""
CACHE_KEY = "prompt_cache_key"
"""OpenAI's field: Codex and OpenCode put the id of the conversation there."""
MAX_ID_CHARS = 1_000
"""A longer id is none."""
SESSION_PREFIX = "api-"
"""How the names of sessions begin whose client gives no id that a journal can show."""
_PLAIN = re.compile(r"[\w.:@+=~/-][\w.:@+=~/ -]{0,199}", re.ASCII)
_UNIQUE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-|(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]{20,}", re.IGNORECASE
)
_TEMPORARY = (b"local:", b"temporary:")
"""How Open WebUI's ids of chats begin that it does not keep: a browser's have all the same one
(utils/chat_id.py of 0.12)."""


class ClientId(NamedTuple):
    """An id, empty if the client gives none, and where it stands. `shared`: a value that several
    conversations may have, within which they are told apart by their texts."""

    kind: str = ""
    text: str = ""
    shared: str = ""


def find_client_id(headers: Iterable[tuple[bytes, bytes]], cache_key: object = None) -> ClientId:
    """The client's id for the conversation, from the raw headers and the body's prompt_cache_key.

    OpenAI means that key for requests which begin alike, so that programs give all their
    conversations the same one: it counts as an id only if it looks like one.
    """
    found = {name: value for name, value in headers if name in CLIENT_HEADERS}
    for name in CLIENT_HEADERS if found else ():
        value = found.get(name, b"").strip()
        if 0 < len(value) <= MAX_ID_CHARS and not value.startswith(_TEMPORARY):
            return ClientId(name.decode(), value.decode("latin-1"))
    if not isinstance(cache_key, str) or not 0 < len(cache_key) <= MAX_ID_CHARS:
        return ClientId()
    if _UNIQUE.search(cache_key):
        return ClientId(CACHE_KEY, cache_key)
    return ClientId(shared=cache_key)


def session_name(client: str, found: ClientId) -> str:
    """The name of the session of a client's id: the id itself, so that it is found in the journal,
    behind the name of the client's API key; a hash where the id is long or odd."""
    if _PLAIN.fullmatch(found.text):
        return f"{client}/{found.text}" if client else found.text
    text = f"{client}\0{found.kind}\0{found.text}".encode("utf-8", "replace")
    return SESSION_PREFIX + hashlib.blake2b(text, digest_size=10).hexdigest()
