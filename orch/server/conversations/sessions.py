"""Keeps the sessions of clients: finds that of a request, and which model answered it last."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from orch.server.conversations.client_ids import SESSION_PREFIX, ClientId, session_name
from orch.server.conversations.opening import MAX_MARKED, Mark, Opening, answer_marks, opening_of
from orch.types import Message, ModelKey

MAX_SESSIONS = 10_000
"""The newest are kept."""
MAX_ALIKE = 16
"""Sessions that are kept of those with one hash."""
MAX_HASHES = 4
"""First questions by which one session is found: each edit of the second one makes another."""
_FIRST_MARKS = 2


@dataclass(slots=True, eq=False)
class ClientSession:
    """A session; without a client's id, also by what it is found."""

    name: str
    scope: str = ""
    model: ModelKey | None = None
    first_size: int = 0
    """The messages of its first request."""
    last_size: int = 0
    """Those of the longest."""
    is_whole: bool = False
    """Whether its first request had no answer before it."""
    openings: list[int] = field(default_factory=list)
    """Its `Opening.first`, if it is whole, and its `second`s."""
    marks: list[Mark] = field(default_factory=list)
    """Of the answers that it was given."""


class ClientSessions:
    """The newest ten thousand sessions of clients."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, ClientSession] = OrderedDict()
        self._by_hash: dict[int, list[ClientSession]] = {}

    def of_request(self, client: str, found: ClientId, messages: Sequence[Message]) -> str:
        """The name of a request's session: that of the client's id, else the one that its
        conversation continues, else a new one."""
        if found.text:
            name = session_name(client, found)
            session = self._sessions.get(name) or ClientSession(name)
        else:
            session = self._of_conversation(opening_of(messages, f"{client}\0{found.shared}"))
            session.scope = f"{client}\0{found.shared}"
        self._keep(session)
        return session.name

    def model_of(self, name: str) -> ModelKey | None:
        """The model that answered last."""
        session = self._sessions.get(name)
        return session.model if session else None

    def record_model(self, name: str, model: ModelKey) -> None:
        """Records the model that answers."""
        session = self._sessions.get(name) or ClientSession(name)
        session.model = model
        self._keep(session)

    def record_answer(self, name: str, question: str, text: str, call_ids: Sequence[str]) -> None:
        """Records an answer, so that the request that contains it is known."""
        session = self._sessions.get(name)
        if session is None or not session.first_size:
            return
        for mark in answer_marks(session.scope, question, text, call_ids[:MAX_MARKED]):
            if mark not in session.marks:
                self._add_mark(session, mark)

    # ---------------------------------------------------------------- by the texts

    def _of_conversation(self, opening: Opening) -> ClientSession:
        session = None if opening.is_new else self._continued(opening)
        if session is None:
            session = ClientSession(_new_name(), first_size=opening.size)
            session.is_whole = opening.is_new or opening.second is None
        session.last_size = max(session.last_size, opening.size)
        for value in (opening.first if session.is_whole else None, opening.second):
            if value is not None:
                self._add_opening(session, value)
        return session

    def _continued(self, opening: Opening) -> ClientSession | None:
        """The session whose answers stand in the request; of equal ones the newest that has not
        gone on, or another way. A client may change every answer: then the one that began so."""
        marks = {mark.value for mark in opening.marks}
        best: tuple[int, bool, bool, int] | None = None
        continued = None
        for age, session in enumerate(self._candidates(opening)):
            if session.first_size >= opening.size:
                continue
            matches = sum(mark.value in marks for mark in session.marks)
            goes_on = len(session.openings) < 2 or opening.second in session.openings
            rank = (matches, session.last_size < opening.size, goes_on, -age)
            may_be = matches or (session.is_whole and goes_on)
            if may_be and (best is None or rank > best):
                best, continued = rank, session
        return continued

    def _candidates(self, opening: Opening) -> Iterable[ClientSession]:
        """Sessions that a request may continue, each once, the likeliest first."""
        strong = [mark.value for mark in opening.marks if mark.is_strong]
        hashes = [*([opening.second] if opening.second is not None else []), opening.first, *strong]
        return dict.fromkeys(
            session for each in hashes for session in reversed(self._by_hash.get(each, ()))
        )

    # ---------------------------------------------------------------- bounds

    def _keep(self, session: ClientSession) -> None:
        self._sessions[session.name] = session
        self._sessions.move_to_end(session.name)
        if len(self._sessions) > MAX_SESSIONS:
            _, oldest = self._sessions.popitem(last=False)
            for each in _hashes(oldest):
                self._unindex(each, oldest)

    def _add_opening(self, session: ClientSession, value: int) -> None:
        if value in session.openings:
            return
        session.openings.append(value)
        self._index(session, value)
        if len(session.openings) > MAX_HASHES:
            self._unindex(session.openings.pop(1), session)

    def _index(self, session: ClientSession, value: int) -> None:
        alike = self._by_hash.setdefault(value, [])
        alike.append(session)
        if len(alike) > MAX_ALIKE:
            del alike[0]

    def _add_mark(self, session: ClientSession, mark: Mark) -> None:
        session.marks.append(mark)
        if mark.is_strong:
            self._index(session, mark.value)
        if len(session.marks) > MAX_MARKED:
            self._unindex(session.marks.pop(_FIRST_MARKS).value, session)

    def _unindex(self, value: int, session: ClientSession) -> None:
        alike = [each for each in self._by_hash.get(value, ()) if each is not session]
        if alike:
            self._by_hash[value] = alike
        else:
            self._by_hash.pop(value, None)


def _hashes(session: ClientSession) -> Iterator[int]:
    yield from session.openings
    for mark in session.marks:
        yield mark.value


def _new_name() -> str:
    return SESSION_PREFIX + os.urandom(10).hex()
