"""Detects models that their server runs on another machine, and checks whether models.yaml allows
sending text to them (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from orch.config.spec import Models
from orch.errors import ProviderError, UsageError
from orch.providers.installed_models import InstalledModel
from orch.text.lines import one_line
from orch.text.model_names import comparison_key, is_same_model

UNNAMED_HOST = "another machine"
"""Used as the host if a server does not name it."""
UNTOLD_HOST = "an unknown machine"
"""Used as the host if a server that can run models elsewhere failed to tell whether it does."""
REMOTE_DENIED = "remote: its text would go to {host}, and models.yaml does not say remote: allow"
MAX_HOST_CHARS = 200


def is_cloud_name(name: str) -> bool:
    """Whether the name makes Ollama forward text to its cloud: `x:cloud`, `x:20b-cloud`,
    `x:20b:cloud`, also `x-cloud`, in any spelling (Ollama's modelref.go)."""
    return comparison_key(name).removesuffix(":latest").endswith((":cloud", "-cloud"))


def remote_host_of(entry: Mapping[str, Any]) -> str:
    """The host named by an entry of `/api/tags` or `/api/ps`, by `/api/show` or by an answer; empty
    if the server runs the model itself."""
    host = entry.get("remote_host")
    if isinstance(host, str) and host.strip():
        return one_line(host[:MAX_HOST_CHARS]) or UNNAMED_HOST
    return UNNAMED_HOST if host or entry.get("remote_model") else ""


def best_known_host(*hosts: str) -> str:
    """The first named host, else UNNAMED_HOST if any source reports a host, else UNTOLD_HOST if any
    has that, else empty."""
    vague = (UNNAMED_HOST, UNTOLD_HOST)
    named = (host for host in hosts if host and host not in vague)
    return next(named, next((host for host in vague if host in hosts), ""))


def display_host(host: str) -> str:
    """A host for messages: without scheme and default port."""
    try:
        parts = urlsplit(host if "//" in host else f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return host
    if not name:
        return host
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return name if port in (None, default) else f"{name}:{port}"


# ---------------------------------------------------------------- what models.yaml allows


def is_allowed(models: Models, provider: str, name: str) -> bool:
    """Whether models.yaml allows a model of that provider to run remotely. A model's own setting
    overrides its provider's."""
    settings = (
        spec.remote
        for spec in models.models
        if spec.provider == provider and spec.remote and is_same_model(spec.id, name)
    )
    known = models.providers.get(provider)
    return next(settings, known.remote if known else "deny") == "allow"


def remote_reason(host: str) -> str:
    """Why a remote model that is not allowed is eliminated."""
    return REMOTE_DENIED.format(host=display_host(host))


def how_to_allow(model: str, provider: str, *, listed: bool) -> str:
    """The lines of models.yaml that allow a remote model."""
    first = "" if listed else f" (orch models add {model} lists it)"
    more = "" if provider == "ollama" else f"\n      provider: {provider}"
    entry = f"  models:\n    - id: {model}{more}\n      remote: allow"
    return f"to allow it, write into your models.yaml{first}:\n{entry}"


def remote_not_allowed(model: str, provider: str, host: str, *, listed: bool) -> UsageError:
    """The error for a remote model that was named and is not allowed."""
    return UsageError(
        f"{model}: {remote_reason(host)}",
        how_to_allow(model, provider, listed=listed),
        code="remote",
    )


# ---------------------------------------------------------------- enforcement


class RemotePolicy:
    """The last check before text is sent to a model: which models of a provider run remotely, as
    far as it has reported, and which of them are allowed."""

    def __init__(self, provider: str = "", models: Models | None = None) -> None:
        self._provider, self._models = provider, models
        self._listed: dict[str, str] = {}
        self._shown: dict[str, str] = {}

    def update_list(self, items: Sequence[InstalledModel]) -> list[InstalledModel]:
        """Stores the provider's current list; returns it with all known remote hosts."""
        self._listed = {}
        for item in items:  # of two spellings of one name, one that runs remotely counts
            key = comparison_key(item.name)
            self._listed[key] = best_known_host(item.remote_host, self._listed.get(key, ""))
        return [item._replace(remote_host=self._host(item.name)) for item in items]

    def with_known_hosts(
        self, items: Sequence[InstalledModel], otherwise: str
    ) -> list[InstalledModel]:
        """Models of a list that does not tell where they run, with what is known of that;
        `otherwise` for those of which nobody has told."""
        hosts = (self._known_host(item, otherwise) for item in items)
        return [item._replace(remote_host=host) for item, host in zip(items, hosts, strict=True)]

    def _known_host(self, item: InstalledModel, otherwise: str) -> str:
        host = best_known_host(item.remote_host, self._host(item.name))
        is_told = host or self.has_seen(item.name)
        return host if is_told and host != UNTOLD_HOST else otherwise

    def update_model(self, model: str, host: str) -> str:
        """Stores the host that a model's metadata or answer reports; returns the best known
        one."""
        self._shown[comparison_key(model)] = host
        return self._host(model)

    def _host(self, model: str) -> str:
        key = comparison_key(model)
        return best_known_host(
            self._listed.get(key, ""),
            self._shown.get(key, ""),
            UNNAMED_HOST if is_cloud_name(model) else "",
        )

    def has_seen(self, model: str) -> bool:
        """Whether the provider has reported anything about a model."""
        key = comparison_key(model)
        return key in self._listed or key in self._shown

    def _allows(self, model: str) -> bool:
        return self._models is not None and is_allowed(self._models, self._provider, model)

    def check(self, model: str) -> None:
        """Raises ProviderError (`remote`) for a model that is not allowed."""
        host = self._host(model)
        if host and not self._allows(model):
            raise ProviderError("remote", remote_reason(host), remote_host=host)

    def check_events(self, model: str, events: Sequence[Mapping[str, Any] | None]) -> None:
        """`check_answer` for the events of a stream."""
        for event in events:
            if event is not None and ("remote_host" in event or "remote_model" in event):
                self.check_answer(model, event)

    def check_answer(self, model: str, answer: Mapping[str, Any]) -> None:
        """Raises ProviderError (`remote_answer`) if another machine answered without being
        allowed."""
        host = remote_host_of(answer)
        if host and not self._allows(model):
            message = (
                f"the text went to {display_host(host)}: the provider runs the model there and had"
                " not reported that; the answer is not used"
            )
            raise ProviderError(
                "remote_answer", message, remote_host=self.update_model(model, host)
            )
