"""Items of tools that orch does not run, as calls and results."""

from __future__ import annotations

from typing import Any

import pytest

from orch.server.api.openai.foreign_items import FOREIGN_CALLS, FOREIGN_OUTPUTS, hosted_result


@pytest.mark.parametrize("kind", FOREIGN_CALLS)
def test_every_call_has_a_name_even_without_its_fields(kind: str) -> None:
    name, _ = FOREIGN_CALLS[kind]({"type": kind})
    assert name


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("as it is", "as it is"),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\nb"),
        (
            [{"stdout": "é", "outcome": {"type": "exit"}}],
            '[{"stdout": "é", "outcome": {"type": "exit"}}]',
        ),
        ([], "[]"),
        (None, ""),
    ],
)
def test_an_output_is_a_text(output: Any, text: str) -> None:
    assert FOREIGN_OUTPUTS["shell_call_output"]({"output": output}) == text


def test_a_patch_without_an_output_tells_its_status() -> None:
    assert FOREIGN_OUTPUTS["apply_patch_call_output"]({"status": "failed"}) == "failed"


def test_a_call_that_openai_ran_brings_its_result_along() -> None:
    assert hosted_result({"type": "mcp_call", "error": "no such file"}) == "no such file"
    logs = [{"type": "logs", "logs": "3"}]
    assert hosted_result({"type": "code_interpreter_call", "outputs": logs}) is not None
    assert hosted_result({"type": "local_shell_call", "output": "x"}) is None
