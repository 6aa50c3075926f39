"""What a provider says of a model, as far as it tells which one it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Its tag, and the GGUF's metadata where the provider has that. Sizes in billions; `thinks` is
    None where nothing is said."""

    tag: str
    basename: str = ""
    size_label: str = ""
    finetune: str = ""
    version: str = ""
    architecture: str = ""
    base_model: str = ""
    params_b: float | None = None
    active_b: float | None = None
    quantization: str = ""
    adapted: bool = False
    thinks: bool | None = None
