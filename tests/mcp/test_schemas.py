"""The tools as clients are told of them."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from orch.mcp.schemas import TOOLS, ToolSpec


@pytest.mark.parametrize("spec", TOOLS.values(), ids=list(TOOLS))
def test_schemas_are_objects_of_valid_json_schema(spec: ToolSpec) -> None:
    for schema in (spec.takes, spec.gives):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert spec.takes["additionalProperties"] is False


def test_every_text_and_list_that_a_tool_takes_is_bounded() -> None:
    unbounded = [
        (name, field)
        for name, spec in TOOLS.items()
        for field, schema in spec.takes["properties"].items()
        if not schema.keys() & {"maxLength", "maxItems", "maximum", "enum"}
    ]
    assert unbounded == []


def test_only_ask_and_memory_add_change_anything() -> None:
    assert [name for name, spec in TOOLS.items() if not spec.read_only] == ["ask", "memory_add"]
