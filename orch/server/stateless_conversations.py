"""Remembers which model answered each conversation of stateless clients last; keeps the newest ten
thousand."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from orch.text.prompt import message_text
from orch.types import Message, ModelKey

MAX_CONVERSATIONS = 10_000
MAX_KEY_CHARS = 20_000
"""Hashed of each message: texts of equal length that agree so far belong to one conversation."""


class ConversationAffinity:
    """Conversations by what does not change in them: the client, and everything before the first
    answer."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, ModelKey] = OrderedDict()

    def model_of(self, key: str) -> ModelKey | None:
        """The model that answered last."""
        return self._models.get(key)

    def record(self, key: str, model: ModelKey) -> None:
        """Records the model that answered."""
        self._models[key] = model
        self._models.move_to_end(key)
        if len(self._models) > MAX_CONVERSATIONS:
            self._models.popitem(last=False)


def conversation_key(messages: Sequence[Message], client: str, session: str) -> str:
    """A hash of what the requests of one conversation have in common."""
    digest = hashlib.blake2b(f"{client}\0{session}".encode("utf-8", "replace"), digest_size=16)
    for message in () if session else messages:
        if message.get("role") == "assistant":
            break
        text = message_text(message)
        digest.update(f"\0{len(text)}\0{text[:MAX_KEY_CHARS]}".encode("utf-8", "replace"))
    return digest.hexdigest()
