"""Streams: messages, trace events and run events added to a session without the rest of it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from eventstore.addition import Added, Addition
from eventstore.append import find_run, last_sequence, number_in, with_elements, with_run_events
from eventstore.at import At
from eventstore.commit import SESSION, Version
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.draft import Change, Head
from eventstore.errors import InvalidInputError
from eventstore.input import Remarks, check_text, remarks, version_number
from eventstore.log import Decision
from eventstore.models.a3s import Message, SessionData, TraceEvent
from eventstore.models.runs import RunEventPage, RunEventRecord
from eventstore.outline import Node, outline_of, value_of
from eventstore.parts import RUN_RECORDS, TRACE_EVENTS
from eventstore.state import dumped, encode, plain
from eventstore.views import summary_of

LIMIT_MAX = 100_000
"""Run events that one page may hold."""

_ID_SIZE_MAX = 1024
_MESSAGE: TypeAdapter[Any] = TypeAdapter(Message)
_TRACE_EVENT: TypeAdapter[Any] = TypeAdapter(TraceEvent)
_RUN_EVENT: TypeAdapter[Any] = TypeAdapter(RunEventRecord)


class Streams(StoreBase):
    """What adds to lists, and reads them in pages."""

    def append_messages(
        self,
        id: str,
        messages: Sequence[Message | dict[str, Any]],
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Add messages to the end of a session's `messages`, as one version.

        Nothing else of the session is passed or changed, its `updated_at` neither. *expected* and
        *key* are as for `save`. Without messages nothing is written.
        """
        kind = _MESSAGE if issubclass(self._model, SessionData) else None
        texts = _texts("messages", messages, kind)

        def added(state: str | None) -> str:
            if state is None:
                raise _missing(id)
            made = with_elements(state, ("messages",), texts)
            if made is None:
                raise InvalidInputError(
                    "the session has no such list", session=id, field="messages"
                )
            return made

        place = b'"messages":', [text.encode() for text in texts]
        return self._append(id, SESSION, added, remarks(actor, note, key), expected, place=place)

    def append_trace_events(
        self,
        id: str,
        events: Sequence[TraceEvent | dict[str, Any]],
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Add trace events to those of a session, which may have none yet, as one version."""
        texts = _texts("events", events, _TRACE_EVENT)

        def added(state: str | None) -> str:
            made = with_elements("[]" if state is None else state, (), texts)
            if made is None:
                raise InvalidInputError("the part is not a list", session=id, field=TRACE_EVENTS)
            return made

        place = b"", [text.encode() for text in texts]
        return self._append(
            id, TRACE_EVENTS, added, remarks(actor, note, key), expected, place=place
        )

    def append_run_events(
        self,
        id: str,
        run_id: str,
        events: Sequence[RunEventRecord | dict[str, Any]],
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Add events to a run whose record was saved before, as one version.

        A sequence that was used is refused. The snapshot of the run then counts the events, and
        its `updated_at_ms` is the time of the last one, unless it is later already.
        """
        check_text("run_id", run_id, _ID_SIZE_MAX)
        texts = [
            (event.sequence, event.timestamp_ms, _text("events", event))
            for event in _checked("events", events, _RUN_EVENT)
        ]

        def added(state: str | None) -> str:
            return with_run_events("[]" if state is None else state, run_id, texts, session=id)

        return self._append(id, RUN_RECORDS, added, remarks(actor, note, key), expected)

    def run_events(
        self,
        id: str,
        run_id: str,
        *,
        after: int | None = None,
        limit: int = 100,
        at: At | None = None,
    ) -> RunEventPage:
        """Return a page of a run's events, those with a sequence greater than *after*.

        `next_after_sequence` is the *after* of the next page, `retention_gap` whether events that
        should follow *after* are no longer kept. Raises `InvalidInputError` if there is no such
        session or run.
        """
        check_text("run_id", run_id, _ID_SIZE_MAX)
        _check_number("limit", limit, 1, LIMIT_MAX)
        if after is not None:
            _check_number("after", after, 0, 2**64 - 1)
        version = self._version(id, at)
        state = b"[]"
        if RUN_RECORDS in version.parts:
            state = self._log(id).state(RUN_RECORDS, version.version) or state
        _, run = find_run(outline_of(state, session=id, part=RUN_RECORDS), run_id, session=id)
        return _page(run, after, limit)

    def _append(
        self,
        id: str,
        part: str,
        added: Added,
        notes: Remarks,
        expected: int | Version | None,
        *,
        place: tuple[bytes, Sequence[bytes]] | None = None,
    ) -> Version:
        """Commit what *added* makes of a part."""
        log, key = self._log(id), notes["key"]
        wanted = version_number(expected, id)
        made: list[Addition] = []

        def decide(head: Head | None) -> Decision:
            repeated = None if head is None or key is None else log.version_with(key)
            if head is None or (repeated is None and not head.parts):
                raise _missing(id)
            # What a repeat would have made is what the first try made, of the state before it.
            base = head.version if repeated is None else repeated - 1
            made[:] = [
                Addition(
                    part,
                    added,
                    lambda: log.state(part, base) if base else None,
                    size_max=self._state_size_max,
                    place=place,
                )
            ]
            change = Change("save", time.time_ns(), {part: made[0]}, **notes)
            return log.saving(change, wanted)(head)

        summarise = (lambda: summary_of(made[0].value())) if part == SESSION else None
        version = self._apply(log, decide, summarise)
        assert version is not None, "an addition always has a version"
        return version


def _texts(field: str, values: Sequence[Any], kind: TypeAdapter[Any] | None) -> list[str]:
    """Return values as the JSON texts to store, each checked against its type."""
    return [_text(field, value) for value in _checked(field, values, kind)]


def _checked(field: str, values: Sequence[Any], kind: TypeAdapter[Any] | None) -> list[Any]:
    """Return values as what `encode` takes, each checked against its type."""
    if isinstance(values, str | bytes | dict) or not isinstance(values, Sequence):
        raise InvalidInputError(f"is {type(values).__name__}, not a list", field=field)
    plains = [plain(value, part=field) for value in values]
    return plains if kind is None else [dumped(kind, value, part=field) for value in plains]


def _text(field: str, value: Any) -> str:
    """Return the JSON text of a value."""
    return encode(value, part=field).decode()


def _sequence(event: Node) -> int:
    """Return the sequence of a run event, 0 if it has none."""
    found = event.member("sequence")
    value = None if found is None else value_of(found.text)
    return value if type(value) is int else 0


def _check_number(field: str, number: Any, least: int, most: int) -> None:
    """Refuse what is not a number in a range."""
    if type(number) is not int or not least <= number <= most:
        raise InvalidInputError(f"is not a number from {least} to {most}", field=field)


def _missing(id: str) -> InvalidInputError:
    """Return the error for a session that is not there to be added to."""
    return InvalidInputError(
        "there is no such session", session=id, field="id", hint="save it first, or undelete it"
    )


def _page(run: Node, after: int | None, limit: int) -> RunEventPage:
    """Return the page of a run's events that follows *after*."""
    held = run.member("events")
    nodes = (None if held is None else held.elements()) or []
    first = _sequence(nodes[0]) if nodes else None
    latest = max(number_in(run, "event_count"), last_sequence(run) + 1)
    start = 0 if after is None else after + 1
    place = bisect_left(nodes, start, key=_sequence)
    shown = nodes[place : place + limit]
    return RunEventPage(
        events=tuple(RunEventRecord.model_validate_json(node.text) for node in shown),
        first_available_sequence=first,
        latest_sequence_exclusive=latest,
        next_after_sequence=_sequence(shown[-1]) if shown else after,
        retention_gap=start < (latest if first is None else first),
        has_more=place + limit < len(nodes),
    )


class AsyncStreams(AsyncBase):
    """The same as coroutines."""

    async def append_messages(
        self, id: str, messages: Sequence[Message | dict[str, Any]], **options: Any
    ) -> Version:
        """Add messages to the end of a session's `messages`, as one version."""
        return await self._wait(Streams.append_messages, id, messages, **options)

    async def append_trace_events(
        self, id: str, events: Sequence[TraceEvent | dict[str, Any]], **options: Any
    ) -> Version:
        """Add trace events to those of a session, as one version."""
        return await self._wait(Streams.append_trace_events, id, events, **options)

    async def append_run_events(
        self,
        id: str,
        run_id: str,
        events: Sequence[RunEventRecord | dict[str, Any]],
        **options: Any,
    ) -> Version:
        """Add events to a run whose record was saved before, as one version."""
        return await self._wait(Streams.append_run_events, id, run_id, events, **options)

    async def run_events(
        self,
        id: str,
        run_id: str,
        *,
        after: int | None = None,
        limit: int = 100,
        at: At | None = None,
    ) -> RunEventPage:
        """Return a page of a run's events."""
        return await self._wait(Streams.run_events, id, run_id, after=after, limit=limit, at=at)
