"""What a provider reports about the models that it has."""

from __future__ import annotations

from typing import NamedTuple


def models_text(number: int) -> str:
    """How many models a list has, in words."""
    return "1 model" if number == 1 else f"{number} models"


class InstalledModel(NamedTuple):
    """A model that a provider has, with what it tells of it: what is unknown is None, or empty."""

    name: str
    digest: str = ""
    size_bytes: int = 0
    family: str = ""
    parameter_size: str = ""
    resident: bool | None = False
    """Whether it is loaded; None if the server does not say."""
    resident_ctx: int | None = None
    """The context length that it is loaded with; None if it is not loaded, or not known."""
    resident_bytes: int = 0
    capabilities: tuple[str, ...] | None = None
    """What the list of models says, if it does."""
    remote_host: str = ""
    """The machine on which its server runs it, if that is another one."""
    vram_bytes: int | None = None
    """How much of `resident_bytes` is in the memory of GPUs."""
    context_window: int | None = None
    parameters_b: float | None = None
    active_b: float | None = None
    """Billions of active parameters a token, for a mixture of experts."""
    kv_bytes_per_token: int | None = None
    slots: int | None = None
    """How many requests it answers at once."""
    free_slots: int | None = None
    status: str = ""
    """The server's word: loaded, loading, sleeping, downloading, unloaded or failed."""
    untold: tuple[str, ...] = ()
    """With `capabilities`: those that the server is silent about, of thinking, tools and vision."""
    quantization: str = ""
    pinned: bool = False
    """Whether it was loaded to stay: its server does not unload it after a time."""
    assumes_chat: bool = False
    """Whether its server says of every model that it generates text, also of embedders."""
    foreign: bool = False
    """Whether another program loaded it, under a name of its own: orch does not unload it."""

    @property
    def needs_info(self) -> bool:
        """Whether `info` may add something to choose by, which is kept by its digest: not for a
        model that generates no text."""
        generates = self.capabilities is None or "completion" in self.capabilities
        return bool(self.digest) and generates


class ModelInfo(NamedTuple):
    """What a provider reports about a model. `capabilities` is None if it does not say."""

    capabilities: tuple[str, ...] | None = None
    context_window: int | None = None
    parameters_b: float | None = None
    kv_bytes_per_token: int | None = None
    kv_window_bytes: int = 0
    """The KV cache of the layers with a sliding window, in bytes per token, of which they keep
    `kv_window_tokens` at most."""
    kv_window_tokens: int = 0
    family: str = ""
    num_ctx: int | None = None
    """The context length of its Modelfile (`PARAMETER num_ctx`); None leaves it to the server."""
    remote_host: str = ""
    basename: str = ""
    """From the GGUF's metadata (`general.basename`), as the fields below; empty if absent."""
    size_label: str = ""
    finetune: str = ""
    version: str = ""
    architecture: str = ""
    base_model: str = ""
    quantization: str = ""
    active_b: float | None = None
    """Billions of active parameters a token, for a mixture of experts."""
    adapted: bool = False
    """Whether an adapter changes its weights."""
    closes_answers: bool = False
    """Whether its template ends a last message of the assistant as well, so that the model would
    begin a new answer behind it instead of going on within it."""
