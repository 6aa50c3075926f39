"""Masks secrets in the configuration by the names of keys and the form of values, whatever file or
option they are in (pure)."""

from __future__ import annotations

from typing import Any

from orch.config.urls import display_url

SECRET_WORDS = frozenset(
    "key keys apikey password passwords passwd pwd passphrase pass token secret secrets credential"
    " credentials auth authorization bearer cookie".split()
)
"""A key with one of these words in its name holds a secret; `tokens` (max_tokens) are counted."""
USER_NAMED = ("patterns",)
"""Mappings whose keys are names that a person chose for something else."""
MASK = "(set)"


def mask_secrets(value: Any, name: str = "", *, user_named: bool = False) -> Any:
    """The same data with secrets hidden: texts under a secret's name, and what an address carries
    besides its place."""
    if isinstance(value, dict):
        return {
            key: mask_secrets(entry, key, user_named=name in USER_NAMED)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [mask_secrets(entry, name, user_named=user_named) for entry in value]
    if not isinstance(value, str):
        return value
    if value and is_secret_key(name) and not user_named:
        return MASK
    return display_url(value) if "://" in value and len(value.split()) == 1 else value


def is_secret_key(name: str) -> bool:
    """Whether a key's name says that it holds a secret: api_key, qdrantPassword, X-Auth-Token."""
    parted = "".join(
        f" {char}" if char.isupper() and not before.isupper() else char
        for before, char in zip(f" {name}", name, strict=False)
    )
    return not SECRET_WORDS.isdisjoint(
        "".join(char if char.isalnum() else " " for char in parted).lower().split()
    )
