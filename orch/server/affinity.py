"""Which model answered a conversation before, as far as its client sends the conversation along:
the newest ten thousand."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from orch.text.prompt import message_text
from orch.types import Message, ModelKey

MOST = 10_000
READ_CHARS = 20_000
"""Of each message: texts that are alike so far, and as long, are one conversation."""


class ConversationAffinity:
    """Conversations by what does not change in them: who asks, and everything up to the first
    answer."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, ModelKey] = OrderedDict()

    def model_of(self, key: str) -> ModelKey | None:
        """The model that answered it last."""
        return self._models.get(key)

    def record(self, key: str, model: ModelKey) -> None:
        """Notes who answered."""
        self._models[key] = model
        self._models.move_to_end(key)
        if len(self._models) > MOST:
            self._models.popitem(last=False)


def conversation_key(messages: Sequence[Message], client: str, session: str) -> str:
    """What the requests of one conversation have in common, as a hash."""
    digest = hashlib.blake2b(f"{client}\0{session}".encode("utf-8", "replace"), digest_size=16)
    for message in () if session else messages:
        if message.get("role") == "assistant":
            break
        text = message_text(message)
        digest.update(f"\0{len(text)}\0{text[:READ_CHARS]}".encode("utf-8", "replace"))
    return digest.hexdigest()
