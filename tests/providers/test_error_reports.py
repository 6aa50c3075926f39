"""What the error object of a model server says, whatever its form."""

from __future__ import annotations

import json

from orch.providers.error_reports import parse_report


def test_the_place_of_a_rejected_field_is_told() -> None:
    body = {"detail": [{"loc": ["body", "top_p"], "msg": "not a number", "type": "float"}]}
    assert parse_report(json.dumps(body).encode()).message == "body.top_p: not a number"
