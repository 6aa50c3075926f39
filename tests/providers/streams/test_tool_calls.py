"""Tool calls from fragments: which fragment belongs to which call, whatever a server leaves out or
says twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.providers.read_limits import TOOL_CALL_CHARS
from orch.providers.streams.tool_calls import StreamedCall, ToolCalls
from tests.providers.streams.byte_splits import CUTS, split
from tests.support.untimed import untimed


def part(arguments: Any = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """A fragment of a call."""
    return {**fields, "function": {"name": name, "arguments": arguments}}


def assembled(*events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(name, arguments) of the calls that these events make."""
    calls = ToolCalls()
    for fragments in events:
        calls.add_all(fragments)
    return [(c["function"]["name"], c["function"]["arguments"]) for c in calls.finish()]


A, B = ("read", '{"path": "a"}'), ("list", '{"path": "b"}')


@pytest.mark.parametrize("index", [{"index": 0}, {}, {"index": None}, {"index": "0"}], ids=str)
def test_a_new_id_begins_a_new_call_whatever_its_index(index: dict[str, Any]) -> None:
    first, second = part(A[1], A[0], id="a", **index), part(B[1], B[0], id="b", **index)
    assert assembled([first], [second]) == [A, B]
    assert assembled([first, second]) == [A, B]


@pytest.mark.parametrize(
    "fields", [{}, {"index": 0}, {"id": ""}, {"index": 0, "id": None}], ids=str
)
def test_whole_calls_without_ids_are_calls_of_their_own(fields: dict[str, Any]) -> None:
    first, second = part(A[1], A[0], **fields), part(B[1], B[0], **fields)
    assert assembled([first], [second]) == [A, B]
    assert assembled([first, second]) == [A, B]
    same = part('{"path": "b"}', A[0], **fields)
    assert assembled([first], [same]) == [A, (A[0], '{"path": "b"}')]


def test_the_same_call_twice_in_one_event_is_two_calls() -> None:
    assert assembled([part(A[1], A[0]), part(A[1], A[0])]) == [A, A]


@untimed
@given(
    st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.integers(), max_size=3),
    CUTS,
    st.sampled_from([{"index": 0, "id": "a"}, {"index": 0}, {"id": "a"}, {}, {"index": 3}]),
    st.booleans(),
)
def test_pieces_of_arguments_are_joined(
    arguments: dict[str, Any], cuts: list[int], fields: dict[str, Any], named: bool
) -> None:
    text = json.dumps(arguments, ensure_ascii=False)
    name = "f" if named and "id" in fields else None
    events = [[part(piece, name, **fields)] for piece in split(text, cuts)]
    assert assembled([part("", "f", **fields)], *events) == [("f", text)]


@untimed
@given(CUTS, CUTS)
def test_two_calls_in_alternating_pieces_are_told_by_index(
    one: list[int], other: list[int]
) -> None:
    calls = [part("", A[0], index=0, id="a"), part("", B[0], index=1, id="b")]
    pieces = [
        *([part(piece, index=0)] for piece in split(A[1], one)),
        *([part(piece, index=1)] for piece in split(B[1], other)),
    ]
    assert assembled(calls, *pieces) == [A, B]


def test_a_repeated_name_counts_once() -> None:
    pieces = [part(piece, "read", index=0, id="a") for piece in ('{"path"', ': "a"', "}")]
    assert assembled(*([each] for each in pieces)) == [A]
    pieces = [part(piece, "read", index=0) for piece in ('{"path"', ': "a"', "}")]
    assert assembled(*([each] for each in pieces)) == [A]


def test_a_name_in_pieces_is_joined() -> None:
    fields = {"index": 0, "id": "a"}
    assert assembled(
        [part("", "re", **fields)], [part("", "ad", **fields)], [part(A[1], index=0)]
    ) == [A]
    grown = [part("", "re", **fields)], [part("", "read", **fields)], [part(A[1], index=0)]
    assert assembled(*grown) == [A]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ([{"path": "a"}], '{"path": "a"}'),
        ([["a"]], '["a"]'),
        (['"{\\"path\\": 1}"'], '{"path": 1}'),
        ([{}, '{"path":', ' "a"}'], '{"path": "a"}'),
        (["{}", '{"path":', ' "a"}'], '{"path": "a"}'),
        (['{"p', '{"path": ', '{"path": "a"}'], '{"path": "a"}'),
        (['{"path": "a"}', '{"path": "a"}'], '{"path": "a"}'),
        (['{"a":', '{"a":1}', "}"], '{"a":{"a":1}}'),
        ([None], "{}"),
        (["", " "], "{}"),
        (["{broken"], "{broken"),
    ],
    ids=str,
)
def test_arguments_become_text(pieces: list[Any], arguments: str) -> None:
    events = [[part(piece, "f", index=0, id="a")] for piece in pieces]
    assert assembled(*events) == [("f", arguments)]


def test_arguments_under_an_index_of_their_own_belong_to_the_last_call() -> None:
    head = part("", A[0], index=0, id="a")
    assert assembled([head], [part('{"path": ', index=1)], [part('"a"}', index=2)]) == [A]


def test_an_id_of_its_own_for_each_fragment_is_one_call() -> None:
    pieces = [part('{"path": ', index=0, id="b")], [part('"a"}', index=0, id="c")]
    assert assembled([part(None, A[0], index=0, id="a")], *pieces) == [A]


def test_one_id_for_all_calls_is_several_calls() -> None:
    first, second = part(A[1], A[0], index=0, id="call"), part(B[1], B[0], index=1, id="call")
    assert assembled([first], [second]) == [A, B]
    assert assembled([first, second]) == [A, B]


def test_pieces_without_index_and_id_belong_to_the_calls_by_order() -> None:
    heads = [part(None, A[0]), part(None, B[0])]
    assert assembled(heads, [part(A[1]), part(B[1])]) == [A, B]


def test_a_flat_call_and_one_with_parameters_are_read() -> None:
    assert assembled([{"name": "f", "arguments": {"a": 1}}]) == [("f", '{"a": 1}')]
    assert assembled([{"function": {"name": "f", "parameters": {"a": 1}}}]) == [("f", '{"a": 1}')]
    assert assembled([{"id": 5, "function": None, "name": "f"}]) == [("f", "{}")]


def test_calls_are_in_the_order_of_their_indexes() -> None:
    assert assembled([part(B[1], B[0], index=1, id="b")], [part(A[1], A[0], index=0, id="a")]) == [
        A,
        B,
    ]


def test_an_entry_without_name_and_arguments_is_no_call() -> None:
    assert assembled([{"index": 0, "type": "function"}], [{}]) == []


def test_an_id_is_kept_and_none_is_made_up() -> None:
    calls = ToolCalls()
    calls.add_all([part("{}", "f", id="a")])
    calls.add_all([part("{}", "g")])
    assert [call.get("id") for call in calls.finish()] == ["a", None]


def test_arguments_that_are_not_closed_are_not_whole() -> None:
    calls = ToolCalls()
    calls.add_all([part('{"a": ', "f", index=0)])
    assert not calls.are_whole
    calls.add_all([part("1}", index=0)])
    assert calls.are_whole


def test_every_fragment_is_counted() -> None:
    counts: list[int] = []
    calls = ToolCalls(counts.append)
    calls.add_all([part("12345", "abc", index=0)])
    calls.add_all([part("67", index=0)])
    assert sum(counts) == TOOL_CALL_CHARS + 10 + 2 * 8


def test_many_fragments_of_one_call_are_scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned: list[str] = []
    real = StreamedCall._scan

    def scan(call: StreamedCall, piece: str) -> None:
        scanned.append(piece)
        real(call, piece)

    monkeypatch.setattr(StreamedCall, "_scan", scan)
    calls = ToolCalls()
    for _ in range(1_000):
        calls.add_all([part('{"a":', "f", index=0)])
    assert len(scanned) <= 1_000
    assert len(calls.finish()) == 1


@untimed
@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "id": st.sampled_from(["a", "b", "", None, 5]),
                    "index": st.sampled_from([0, 1, None, "1", -3, 1.5, [], True]),
                    "function": st.none()
                    | st.fixed_dictionaries(
                        {},
                        optional={
                            "name": st.sampled_from(["f", "g", None, "", 5]),
                            "arguments": st.sampled_from(["{", "}", '"', "{}", None, {}, [1], 5]),
                        },
                    ),
                },
            ),
            max_size=3,
        ),
        max_size=8,
    )
)
def test_any_fragments_give_calls(events: list[list[dict[str, Any]]]) -> None:
    calls = assembled(*events)
    assert all(isinstance(each, str) for call in calls for each in call)


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"n": ', "42"],
        ['{"n": ', "", "42"],
        ['{"n": ', "4", "42"],
        ["{", '"n": ', "{}"],
        ['{"n": [', '"x"'],
    ],
)
def test_the_end_of_cut_arguments_does_not_stand_for_all(pieces: list[str]) -> None:
    call, text = part("", "f", index=0, id="c1"), "".join(pieces)
    assert assembled([call], *([part(piece, index=0)] for piece in pieces)) == [("f", text)]
