"""The endpoint as a client is told of it: its address, its models and what each can hold (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orch.text.model_names import comparison_key
from orch.text.requested_model import ModelNames

AUTO = "auto"
LOADED = "auto:loaded"
"""What a client's chores (titles, summaries) ask for: no model is loaded for them."""
OFFERED = (AUTO, "auto:coding", "auto:speed", "auto:quality", LOADED)
"""The names that let orch choose, of those that a client's menu lists."""
KEY_VARIABLE = "ORCH_API_KEY"
NO_KEY = "none"
"""What a client that insists on a key sends to a server without keys."""
MIN_ANSWER, MAX_ANSWER = 1_024, 32_000
"""Bounds of a client's answer room, in tokens."""


@dataclass(frozen=True, slots=True)
class ClientModel:
    """A name that a client may ask for. `context` is in tokens, 0 where it is unknown."""

    name: str
    context: int = 0
    tools: bool = False
    images: bool = False

    @property
    def answer(self) -> int:
        """The longest answer, in tokens, that leaves the context to the conversation; 0 where the
        context is unknown."""
        usual = min(max(self.context // 8, MIN_ANSWER), MAX_ANSWER)
        return min(usual, self.context // 2)  # half of a very small one


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and its models, those that let orch choose first. `names` knows the aliases where no
    server runs that could be asked."""

    url: str
    models: tuple[ClientModel, ...] = ()
    needs_key: bool = False
    names: ModelNames = field(default_factory=ModelNames, compare=False)

    @property
    def openai_url(self) -> str:
        """The base URL of OpenAI's API."""
        return f"{self.url}/v1"

    @property
    def installed(self) -> tuple[ClientModel, ...]:
        """The models without the names that let orch choose."""
        return tuple(model for model in self.models if model.name not in OFFERED)

    def find(self, name: str) -> ClientModel | None:
        """The model of that name, in any spelling; any variant of `auto` is like `auto`. Raises
        OrchError (`model_not_found`) for a variant that there is not."""
        key = comparison_key(self.names.parse(name).model or AUTO)
        return next((model for model in self.models if comparison_key(model.name) == key), None)


def models_of(descriptions: Iterable[Mapping[str, Any]]) -> tuple[ClientModel, ...]:
    """The models that can chat now, as `GET /orch/models` describes them, behind the names that let
    orch choose."""
    usable = [each for each in descriptions if _chats(each)]
    fitting = [each for each in usable if each["selectable"]]
    able = [each for each in fitting if not each["last_resort"]] or fitting
    installed: dict[str, ClientModel] = {}
    for each in usable:  # of a name that several providers have, the first is the one that is asked
        installed.setdefault(each["id"], _model(each))
    auto = _auto([_model(each) for each in able])
    named = [ClientModel(name, auto.context, auto.tools, auto.images) for name in OFFERED]
    return (*named, *installed.values())


def _chats(description: Mapping[str, Any]) -> bool:
    capabilities = description["capabilities"]
    return (
        bool(description["installed"])
        and not description["unavailable"]
        and (capabilities is None or "completion" in capabilities)
    )


def _model(description: Mapping[str, Any]) -> ClientModel:
    """Capabilities that nothing is known of are those of a model that has tools: orch hands them
    on."""
    capabilities = description["capabilities"]
    return ClientModel(
        description["id"],
        description["usable_context"] or 0,
        tools=capabilities is None or "tools" in capabilities,
        images="vision" in (capabilities or ()),
    )


def _auto(models: list[ClientModel]) -> ClientModel:
    """What `auto` can hold: the longest context among the models that have tools, which agents
    always send, else among all."""
    with_tools = [model for model in models if model.tools]
    return ClientModel(
        AUTO,
        max((model.context for model in with_tools or models), default=0),
        tools=bool(with_tools),
        images=any(model.images for model in with_tools or models),
    )
