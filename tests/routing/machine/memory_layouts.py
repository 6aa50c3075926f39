"""Twenty machines with what is loaded on them, models that are to be loaded there, and what has to
come of it: sizes in GB of 10^9 bytes."""

from __future__ import annotations

from typing import NamedTuple

from orch.hardware.device import Gpu
from orch.routing.machine.placement import ResidentModel
from orch.types import ModelKey

GB = 10**9


class Wish(NamedTuple):
    """A model of `gb` weights that is to be loaded. `fits`: whether it may be tried. `evicts`:
    the models that orch unloads before."""

    gb: float
    provider: str = "router"
    fits: bool = True
    evicts: tuple[str, ...] = ()
    kv_bytes_per_token: int | None = None
    num_ctx: int = 8_192
    in_use: tuple[str, ...] = ()


class Layout(NamedTuple):
    """A machine: main memory and GPUs, what is loaded, and the wishes."""

    name: str
    main: tuple[float | None, float | None]
    """Total and free."""
    gpus: tuple[Gpu, ...]
    resident: tuple[ResidentModel, ...]
    wishes: tuple[Wish, ...]
    budget: float | None = None


def card(total: float, free: float | None, name: str = "card") -> Gpu:
    """A GPU with memory of its own."""
    return Gpu(name, int(total * GB), None if free is None else int(free * GB))


def shared(total: float | None = None) -> Gpu:
    """A GPU that uses main memory."""
    return Gpu("shared", None if total is None else int(total * GB), shared=True)


def loaded(
    name: str,
    gb: float,
    on_gpu: float | None = 0.0,
    provider: str = "router",
    *,
    ours: bool = True,
    pinned: bool = False,
    tells_use: bool = False,
) -> ResidentModel:
    """A loaded model of which so much is on GPUs."""
    on_gpu = None if on_gpu is None else int(on_gpu * GB)
    key = ModelKey(provider, name)
    return ResidentModel(key, int(gb * GB), on_gpu, pinned, ours, tells_use)


LAYOUTS = (
    Layout(
        "one GPU that is free",
        (64, 40),
        (card(24, 23.5),),
        (),
        (Wish(20), Wish(50), Wish(62), Wish(64, fits=False)),
    ),
    Layout(
        "two GPUs, one of them full with another program",
        (16, 4),
        (card(24, 0.2), card(24, 23.5)),
        (),
        (Wish(22), Wish(26), Wish(30, fits=False), Wish(44, fits=False)),
    ),
    Layout(
        "two GPUs of unequal size",
        (16, 4),
        (card(24, 23.5), card(8, 7.5)),
        (),
        (Wish(28), Wish(33), Wish(36, fits=False)),
    ),
    Layout(
        "other programs hold most of the GPU's memory",
        (12, 6),
        (card(24, 5),),
        (),
        (Wish(10), Wish(12, fits=False)),
    ),
    Layout(
        "an APU, whose GPU uses main memory",
        (32, 20),
        (shared(16),),
        (),
        (Wish(14), Wish(19), Wish(22, fits=False)),
    ),
    Layout(
        "Apple with its limit: what is over it runs on the processor",
        (64, None),
        (shared(48),),
        (),
        (Wish(40), Wish(60), Wish(66, fits=False)),
    ),
    Layout(
        "a container without GPUs",
        (8, 5),
        (),
        (),
        (Wish(4.9), Wish(5.1, fits=False)),
    ),
    Layout(
        "unified memory, a large model loaded (llama.cpp's router keeps it and answers 500)",
        (128, 20),
        (shared(),),
        (loaded("large", 100, 100),),
        (Wish(29, evicts=("large",)), Wish(15), Wish(125, fits=False)),
    ),
    Layout(
        "an idle model of the same server in the way",
        (16, 3),
        (card(24, 4),),
        (loaded("idle", 19, 19),),
        (Wish(20, evicts=("idle",)), Wish(3), Wish(40, fits=False)),
    ),
    Layout(
        "a model in use in the way stays",
        (64, 40),
        (card(24, 4),),
        (loaded("busy", 19, 19), loaded("idle", 0.5, 0.5)),
        (
            Wish(20, in_use=("busy",)),
            Wish(22, evicts=("busy",)),
            Wish(22.8, evicts=("busy", "idle")),
        ),
    ),
    Layout(
        "of two idle models the one that is enough and costs least",
        (16, 3),
        (card(48, 8),),
        (loaded("costly", 20, 20), loaded("cheap", 19, 19)),
        (Wish(24, evicts=("cheap",)), Wish(40, evicts=("cheap", "costly")), Wish(7)),
    ),
    Layout(
        "a pinned model goes last",
        (16, 3),
        (card(48, 8),),
        (loaded("pinned", 20, 20, pinned=True), loaded("idle", 19, 19)),
        (Wish(24, evicts=("idle",)), Wish(40, evicts=("idle", "pinned"))),
    ),
    Layout(
        "an idle model of another server that orch had used",
        (16, 3),
        (card(24, 4),),
        (loaded("theirs", 19, 19, "ollama", tells_use=True),),
        (Wish(20, evicts=("theirs",)), Wish(20, "ollama")),
    ),
    Layout(
        "a model of another server that another program loaded stays",
        (16, 3),
        (card(24, 4),),
        (loaded("theirs", 19, 19, "ollama", ours=False, tells_use=True),),
        (Wish(20, fits=False), Wish(6), Wish(20, "ollama")),
    ),
    Layout(
        "a server with one model, which can't be unloaded (vLLM)",
        (16, 3),
        (card(24, 1),),
        (loaded("served", 22, None, "fixed"),),
        (Wish(10, fits=False), Wish(2.5)),
    ),
    Layout(
        "the KV cache is large at the context",
        (16, 3),
        (card(24, 23.5),),
        (),
        (
            Wish(8, kv_bytes_per_token=131_072, num_ctx=32_768),
            Wish(8, kv_bytes_per_token=131_072, num_ctx=131_072),
            Wish(8, kv_bytes_per_token=131_072, num_ctx=262_144, fits=False),
        ),
    ),
    Layout(
        "a model spread over GPU and main memory gives back both",
        (32, 4),
        (card(12, 0.5),),
        (loaded("spread", 30, 11),),
        (Wish(32, evicts=("spread",)), Wish(3, evicts=("spread",)), Wish(46, fits=False)),
    ),
    Layout(
        "a GPU that only Ollama's report shows",
        (16, 12),
        (),
        (loaded("on vulkan", 7, 7, "ollama", tells_use=True),),
        (Wish(17, "ollama"), Wish(15, evicts=("on vulkan",)), Wish(20, fits=False)),
    ),
    Layout(
        "a budget replaces all devices",
        (64, 60),
        (card(24, 23),),
        (loaded("idle", 6, 6),),
        (Wish(3), Wish(9, evicts=("idle",)), Wish(12, fits=False)),
        budget=10,
    ),
    Layout(
        "nothing is known of the machine, or of the model's size",
        (None, None),
        (),
        (),
        (Wish(500), Wish(0)),
    ),
)
