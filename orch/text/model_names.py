"""Compares names of models as Ollama 0.33 does (its types/model/name.go and internal/modelref):
without regard to case, with its defaults filled in; finds the installed name that another spelling
means (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_MOST_KEPT, _KEPT_CHARS = 1_024, 200
"""Keys that are kept, of names of usual length."""
_DEFAULT_PREFIXES = ("library", "registry.ollama.ai/library")
_REGISTRY = "registry.ollama.ai/"
_SAME_HOST = {"huggingface.co/": "hf.co/"}
"""Hosts that serve the same repositories."""


def full_name(name: str) -> str:
    """The name with its tag: `qwen3` is `qwen3:latest`."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def comparison_key(name: str) -> str:
    """A key that all spellings of one model share: `Qwen3`, `library/qwen3:latest` and
    `registry.ollama.ai/library/qwen3`. For comparison only: it is never sent or shown."""
    return _kept_key(name) if len(name) <= _KEPT_CHARS else _key(name)


def _key(name: str) -> str:
    key = _literal_key(name)
    # `qwen3:local` is the local `qwen3:latest`
    return f"{key.removesuffix(':local')}:latest" if key.endswith(":local") else key


_kept_key = lru_cache(maxsize=_MOST_KEPT)(_key)


def _literal_key(name: str) -> str:
    """The same with `local` as a tag, which an installed model may have."""
    folded = name.strip().lower()
    if "/" in folded:
        folded = _without_defaults(folded)
    path, slash, last = folded.rpartition("/")
    model, colon, tag = last.partition(":")
    if not colon:
        return f"{folded}:latest"
    tag, _, source = (part.strip() for part in tag.partition(":"))
    # `gpt-oss:20b:cloud` is `gpt-oss:20b-cloud`, and `qwen3:8b:local` the local `qwen3:8b`
    suffix = {"": "", "cloud": "-cloud", "local": ""}.get(source, f":{source}")
    return f"{path}{slash}{model}:{tag}{suffix}"


def _without_defaults(folded: str) -> str:
    folded = folded.rpartition("://")[2]
    path, _, last = folded.rpartition("/")
    if path in _DEFAULT_PREFIXES:
        return last
    for host, other in ((_REGISTRY, ""), *_SAME_HOST.items()):
        if folded.startswith(host):
            return other + folded.removeprefix(host)
    return folded


def is_same_model(one: str, other: str) -> bool:
    """Whether two names mean one model."""
    return one == other or comparison_key(one) == comparison_key(other)


class InstalledNames:
    """The names that a provider has, as it spells them."""

    def __init__(self, names: Iterable[str], *, ignores_case: bool) -> None:
        self._names = dict.fromkeys(names)
        self._full: dict[str, str] = {}
        self._keys: dict[str, list[str]] = {}
        self._ignores_case = ignores_case
        for name in self._names:
            self._full.setdefault(full_name(name), name)
            self._keys.setdefault(_literal_key(name), []).append(name)

    def find(self, name: str) -> str | None:
        """The installed name that a name means: the same one, else the one with the same tag, else
        another spelling. Where the provider may tell cases apart, only if there is just one."""
        if name in self._names:
            return name
        if found := self._full.get(full_name(name)):
            return found
        spellings = self._keys.get(_literal_key(name)) or self._keys.get(comparison_key(name), [])
        return spellings[0] if len(spellings) == 1 or (spellings and self._ignores_case) else None
