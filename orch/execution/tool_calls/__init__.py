"""Tool calls of a model: checked against the schemas of their tools, repaired where the repair is
certain, recognised where the model wrote them as text."""

from orch.execution.tool_calls.settle import Settled, settle

__all__ = ["Settled", "settle"]
