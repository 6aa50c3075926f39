"""Estimates how good each model's answer would be, from graded answers and ratings. Knows neither
providers nor the router."""

from orch.quality.model import MAGIC, QualityModel
from orch.quality.table import Row
from orch.types import Estimate

__all__ = ["MAGIC", "Estimate", "QualityModel", "Row"]
