"""Models that their server runs on another machine: how they are told, where a text would go, and
what allows them (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from orch.config.spec import Models, canonical_model_name
from orch.errors import ProviderError, UsageError
from orch.text.lines import one_line
from orch.types import InstalledModel

UNNAMED_HOST = "another machine"
"""Stands for the host where a server does not name it."""
MAX_HOST_CHARS = 200


def is_cloud_name(name: str) -> bool:
    """Whether a name alone makes Ollama forward a text to its cloud: `x:cloud`, `x:20b-cloud`, also
    `x-cloud` (its modelref.go, without regard to case)."""
    return name.strip().lower().removesuffix(":latest").endswith((":cloud", "-cloud"))


def remote_host_of(entry: Mapping[str, Any]) -> str:
    """The host of a row of `/api/tags` or `/api/ps`, of `/api/show`, or of an answer; empty where
    the server itself is meant."""
    host = entry.get("remote_host")
    if isinstance(host, str) and host.strip():
        return one_line(host[:MAX_HOST_CHARS]) or UNNAMED_HOST
    return UNNAMED_HOST if host or entry.get("remote_model") else ""


def best_known_host(*hosts: str) -> str:
    """Of what several sources say, the host that is named; else that there is one; else nothing."""
    return next(
        (host for host in hosts if host and host != UNNAMED_HOST),
        UNNAMED_HOST if any(hosts) else "",
    )


def display_host(host: str) -> str:
    """A host as people read it: without `https://`, and without the port that everybody uses."""
    try:
        parts = urlsplit(host if "//" in host else f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return host
    if not name:
        return host
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return name if port in (None, usual) else f"{name}:{port}"


# ---------------------------------------------------------------- what models.yaml allows


def is_allowed(models: Models, provider: str, name: str) -> bool:
    """Whether models.yaml lets a model of that provider be asked where it runs elsewhere: the
    model's own word goes before the provider's."""
    full = canonical_model_name(name)
    own = next(
        (
            spec.remote
            for spec in models.models
            if spec.provider == provider and canonical_model_name(spec.id) == full and spec.remote
        ),
        None,
    )
    known = models.providers.get(provider)
    return (own or (known.remote if known else "deny")) == "allow"


def remote_reason(host: str) -> str:
    """Why a model is out that is not allowed."""
    return (
        f"remote: its text would go to {display_host(host)}, and models.yaml does not say remote:"
        " allow"
    )


def how_to_allow(model: str, provider: str, *, listed: bool) -> str:
    """What to write so that a model may be asked."""
    first = "" if listed else f" (orch models add {model} lists it)"
    more = "" if provider == "ollama" else f"\n      provider: {provider}"
    return (
        f"to allow it, write into your models.yaml{first}:\n  models:\n    - id: {model}{more}\n   "
        "   remote: allow"
    )


def remote_not_allowed(model: str, provider: str, host: str, *, listed: bool) -> UsageError:
    """The error of a model that was named and is not allowed."""
    return UsageError(
        f"{model}: {remote_reason(host)}",
        how_to_allow(model, provider, listed=listed),
        code="remote",
    )


# ---------------------------------------------------------------- at the provider


class RemotePolicy:
    """The last word before something is sent: which of a provider's models run elsewhere, as far as
    it has said so, and which of them are allowed."""

    def __init__(self, provider: str = "", models: Models | None = None) -> None:
        self._provider, self._models = provider, models
        self._listed: dict[str, str] = {}
        self._shown: dict[str, str] = {}

    def update_list(self, items: Sequence[InstalledModel]) -> list[InstalledModel]:
        """Takes over the provider's newest list, and gives it back with all that is known."""
        self._listed = {canonical_model_name(item.name): item.remote_host for item in items}
        return [replace(item, remote_host=self._host(item.name)) for item in items]

    def update_model(self, model: str, host: str) -> str:
        """Takes over what a closer look at a model, or its answer, has told; gives back what is
        known."""
        self._shown[canonical_model_name(model)] = host
        return self._host(model)

    def _host(self, model: str) -> str:
        full = canonical_model_name(model)
        return best_known_host(
            self._listed.get(full, ""),
            self._shown.get(full, ""),
            UNNAMED_HOST if is_cloud_name(model) else "",
        )

    def has_seen(self, model: str) -> bool:
        """Whether its provider was looked at for this model."""
        return (
            canonical_model_name(model) in self._listed
            or canonical_model_name(model) in self._shown
        )

    def _allows(self, model: str) -> bool:
        return self._models is not None and is_allowed(self._models, self._provider, model)

    def check(self, model: str) -> None:
        """Raises BackendError (`remote`) for a model that must not be asked."""
        host = self._host(model)
        if host and not self._allows(model):
            raise ProviderError("remote", remote_reason(host), remote_host=host)

    def check_answer(self, model: str, answer: Mapping[str, Any]) -> None:
        """Raises BackendError (`remote_answer`) where another machine answered and was not allowed
        to."""
        host = remote_host_of(answer)
        if host and not self._allows(model):
            said = (
                f"the text went to {display_host(host)}: the provider runs it there and had not"
                " said so; the answer is not used"
            )
            raise ProviderError("remote_answer", said, remote_host=self.update_model(model, host))
