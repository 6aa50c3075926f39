"""What a download will take, in the page's language."""

from __future__ import annotations

from orch.execution.recommending.forecast import FitForecast
from orch.routing.recommendations.capacity import Placement
from orch.server.web.components.i18n import N_
from orch.server.web.components.page import Page

FITS = {
    Placement.GPU: N_("Fits the GPU."),
    Placement.SPLIT: N_("Fits GPU and main memory together, so it is slower."),
    Placement.MEMORY: N_("Fits main memory."),
    Placement.NOWHERE: N_("Too large for the memory of this machine: it may not load."),
}


def forecast_line(page: Page, forecast: FitForecast) -> str:
    """Size, room on the disk and memory, as far as they are known."""
    parts = [
        page("{size} GB to download.", size=page.number(forecast.size_bytes / 1e9, 1))
        if forecast.size_bytes
        else page("Size not known before.")
    ]
    if forecast.store is not None:
        free = page.number(forecast.store.free_bytes / 1e9, 1)
        parts.append(page("{free} GB free on its disk.", free=free))
    if forecast.placement in FITS:
        parts.append(page(FITS[forecast.placement]))
    return " ".join(parts)
