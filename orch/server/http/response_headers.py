"""The response headers of orch's own, in one table."""

from __future__ import annotations

MODEL, TASK_TYPE, RUN_ID = "x-orch-model", "x-orch-task-type", "x-orch-run-id"
CHORE = "x-orch-chore"
FALLBACK, CACHE, WARNING = "x-orch-fallback", "x-orch-cache", "x-orch-warning"
REPAIRED = "x-orch-repaired"
RESPONSE_HEADERS = {
    MODEL: "the model that answered",
    TASK_TYPE: "the type of the task",
    CHORE: "what the client asked for by itself, such as `title`; absent for a person's question",
    RUN_ID: "the run's id in the journal",
    FALLBACK: "how many models failed before",
    CACHE: "`hit` for an earlier answer",
    REPAIRED: "how many repairs the tool calls took, if any",
    WARNING: "one for each warning that is known before the first byte",
}
"""Every header of orch's own with its meaning. A page of an allowed origin may read them all."""
EXPOSED_HEADERS = ", ".join((*RESPONSE_HEADERS, "mcp-session-id")).encode()
"""The value of `Access-Control-Expose-Headers`; a client of `/mcp` sends its session's id back."""
