"""What identifies a model among the known ones: the facts that its provider reports."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """The tag, and the GGUF's metadata if the provider has it. Sizes in billions; `thinks` is None
    if unknown. `size_bytes` is that of the weights where their number is not told, else 0."""

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
    size_bytes: int = 0
