"""Room in memory: idle models are unloaded before a call that needs it, and others wait for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orch.errors import ProviderError
from orch.execution import room
from orch.execution.room import RoomMaker
from orch.providers.installed_models import InstalledModel
from orch.types import ModelKey

LARGE, SMALL = ModelKey("router", "large"), ModelKey("router", "small")


class Router:
    """A provider that frees the memory of a model some questions after it agreed to."""

    def __init__(self, *, refuses: str = "", questions: int = 2) -> None:
        self.loaded, self.refuses, self.questions = {"large", "other"}, refuses, questions
        self.unloaded: list[str] = []
        self.may_unload = asyncio.Event()
        self.may_unload.set()

    async def load(self, *args: Any) -> None: ...

    async def unload(self, model: str) -> None:
        await self.may_unload.wait()
        if self.refuses:
            raise ProviderError("rejected", self.refuses)
        self.unloaded.append(model)

    async def installed(self) -> list[InstalledModel]:
        self.questions -= 1
        if self.questions <= 0:
            self.loaded -= set(self.unloaded)
        return [InstalledModel(name, resident=name in self.loaded) for name in ("large", "other")]


class Registry:
    """Counts how often what it knows proved wrong."""

    invalidated = 0

    def invalidate(self) -> None:
        self.invalidated += 1


def maker(router: Router, registry: Any = None) -> RoomMaker:
    registry = registry or Registry()
    providers: Any = {"router": router}
    return RoomMaker(registry, providers)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "POLL_S", 0)


async def test_a_model_is_unloaded_and_its_memory_is_waited_for() -> None:
    router, registry = Router(), Registry()
    messages = await maker(router, registry).make(SMALL, [LARGE])
    assert messages == ["unloaded router/large to make room for small"]
    assert (router.loaded, registry.invalidated) == ({"other"}, 1)


async def test_a_name_without_its_tag_is_waited_for_too() -> None:
    router = Router()
    listed = router.installed

    async def installed() -> list[InstalledModel]:
        return [each._replace(name=f"{each.name}:latest") for each in await listed()]

    router.installed = installed  # type: ignore[method-assign]
    await maker(router).make(SMALL, [LARGE])
    assert "large" not in router.loaded


async def test_nothing_is_asked_where_there_is_room() -> None:
    router = Router()
    assert await maker(router).make(SMALL, ()) == []
    assert router.questions == 2


async def test_a_server_that_refuses_is_told() -> None:
    (message,) = await maker(Router(refuses="it is pinned")).make(SMALL, [LARGE])
    assert message == "router/large could not be unloaded to make room for small: it is pinned"


async def test_memory_that_is_never_freed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "UNLOAD_TIMEOUT_S", 0.01)
    (message,) = await maker(Router(questions=10**9)).make(SMALL, [LARGE])
    assert message == "router/large still holds its memory, which small needs"


async def test_another_call_of_the_model_waits_for_the_room_that_is_made() -> None:
    router = Router()
    router.may_unload.clear()
    makes = maker(router)
    first = asyncio.create_task(makes.make(SMALL, [LARGE]))
    await asyncio.sleep(0)
    second = asyncio.create_task(makes.make(SMALL, ()))
    await asyncio.sleep(0)
    assert not second.done()
    router.may_unload.set()
    assert (await second, len(await first)) == ([], 1)
    assert router.unloaded == ["large"]


async def test_another_model_is_not_loaded_before_what_leaves_is_gone() -> None:
    router = Router()
    router.may_unload.clear()
    makes, other = maker(router), ModelKey("router", "third")
    first = asyncio.create_task(makes.make(SMALL, [LARGE]))
    await asyncio.sleep(0)
    second = asyncio.create_task(makes.make(other, (), loads=True))
    assert await makes.make(other, ()) == []  # one that is loaded does not wait
    await asyncio.sleep(0)
    assert not second.done()
    router.may_unload.set()
    assert (await second, len(await first)) == ([], 1)


async def test_one_that_unloads_for_itself_is_waited_for_while_it_waits() -> None:
    router = Router()
    router.may_unload.clear()
    makes, other = maker(router), ModelKey("router", "other")
    tasks = [
        asyncio.create_task(makes.make(SMALL, [LARGE])),
        asyncio.create_task(makes.make(ModelKey("router", "third"), [other], loads=True)),
        asyncio.create_task(makes.make(ModelKey("router", "fourth"), (), loads=True)),
    ]
    left: list[str] = []
    tasks[2].add_done_callback(lambda _: left.extend(router.loaded))
    await asyncio.sleep(0)
    router.may_unload.set()
    await asyncio.gather(*tasks)
    assert left == []


async def test_a_call_of_the_model_that_leaves_waits_until_it_is_gone() -> None:
    router = Router()
    router.may_unload.clear()
    makes = maker(router)
    first = asyncio.create_task(makes.make(SMALL, [LARGE]))
    await asyncio.sleep(0)
    second = asyncio.create_task(makes.make(LARGE, ()))
    await asyncio.sleep(0)
    assert not second.done()
    router.may_unload.set()
    await asyncio.gather(first, second)


async def test_a_call_that_is_cancelled_leaves_the_room_to_the_others() -> None:
    router = Router()
    router.may_unload.clear()
    makes = maker(router)
    first = asyncio.create_task(makes.make(SMALL, [LARGE]))
    await asyncio.sleep(0)
    second = asyncio.create_task(makes.make(SMALL, ()))
    await asyncio.sleep(0)
    first.cancel()
    router.may_unload.set()
    assert await second == []
    assert "large" not in router.loaded
