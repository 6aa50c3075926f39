"""The table of the endpoint's routes."""

from __future__ import annotations

from tests.readme.endpoints import routes


def test_every_route_is_described_by_a_whole_sentence() -> None:
    rows = routes().splitlines()[2:]
    assert rows
    assert [row for row in rows if not row.endswith(". |")] == []
