"""Masks secrets in configuration data by the names of keys and the form of values (pure)."""

from __future__ import annotations

from typing import Any

from orch.config.urls import display_url

SECRET_WORDS = frozenset(
    "key keys apikey password passwords passwd pwd passphrase pass token secret secrets credential"
    " credentials auth authorization bearer cookie".split()
)
"""A key with one of these words in its name holds a secret. `tokens`, as in max_tokens, is not
among them."""
SECRET_MAPPINGS = ("headers",)
"""Mappings whose values are all secrets, whatever their keys are."""
USER_NAMED = ("patterns",)
"""Mappings whose keys are names that the user chose."""
MASK = "(set)"


def mask_secrets(value: Any, name: str = "", *, user_named: bool = False) -> Any:
    """The same data with secrets masked: strings under the name of a secret, and credentials in
    URLs."""
    if isinstance(value, dict):
        if name in SECRET_MAPPINGS:
            return dict.fromkeys(value, MASK)
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
    """Whether the name of a key says that it holds a secret: api_key, qdrantPassword,
    X-Auth-Token."""
    parted = "".join(
        f" {char}" if char.isupper() and not before.isupper() else char
        for before, char in zip(f" {name}", name, strict=False)
    )
    return not SECRET_WORDS.isdisjoint(
        "".join(char if char.isalnum() else " " for char in parted).lower().split()
    )
