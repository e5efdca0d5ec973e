"""A session of oxios: one conversation of one user, with what happened on the way."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field

from eventstore.models.json_value import FrozenDict, FrozenJson, RefusalError
from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.moments import Moment, now
from eventstore.models.oxios_messages import (
    AgentResponse,
    ReasoningRecord,
    TrajectoryStepRecord,
    UserMessage,
)
from eventstore.models.record import Record, Text


class SessionId(str):
    """The id of a session: a string, which is all that is written."""

    __slots__ = ()

    @classmethod
    def new(cls) -> Self:
        """Return an id that no session has."""
        return cls(uuid.uuid4())


def _object(value: Any) -> Any:
    """Refuse frozen JSON that is not an object."""
    if not isinstance(value, FrozenDict):
        raise RefusalError("not an object")
    return value


SessionMetadata = Annotated[FrozenJson, AfterValidator(_object)]
"""Any JSON object."""


class Session(Record):
    """A conversation with all that is known of it; methods return the changed session.

    Every change but an empty `extend_trajectory` sets `updated_at`. Fields of the seed and of
    later programs are read alike; optional ones are written only where they hold something.
    """

    id: Text
    user_id: Text
    user_messages: tuple[UserMessage, ...] = ()
    agent_responses: tuple[AgentResponse, ...] = ()
    trajectory_steps: Annotated[tuple[TrajectoryStepRecord, ...], OMIT] = ()
    reasoning_records: Annotated[tuple[ReasoningRecord, ...], OMIT] = ()
    active_seed_id: Annotated[Text | None, OMIT] = None
    active_persona_id: Annotated[Text | None, OMIT] = None
    project_id: Annotated[Text | None, OMIT] = None
    parent_session_id: Annotated[Text | None, OMIT] = None
    created_at: Annotated[Moment, REQUIRED] = Field(default_factory=now)
    updated_at: Annotated[Moment, REQUIRED] = Field(default_factory=now)
    metadata: SessionMetadata = FrozenDict()

    @classmethod
    def new(cls, user_id: str) -> Self:
        """Return an empty session of a user, with a new id."""
        return cls.with_id(user_id, SessionId.new())

    @classmethod
    def with_id(cls, user_id: str, session_id: str) -> Self:
        """Return an empty session of a user, created and updated at this moment."""
        moment = now()
        return cls(id=session_id, user_id=user_id, created_at=moment, updated_at=moment)

    def add_user_message(self, content: str) -> Self:
        """Return the session with a message of its user, sent now."""
        said = UserMessage(content=content)
        return self._changed(user_messages=(*self.user_messages, said))

    def add_agent_response(self, response: AgentResponse | Mapping[str, Any]) -> Self:
        """Return the session with an answer."""
        return self._changed(agent_responses=(*self.agent_responses, response))

    def extend_trajectory(self, steps: Iterable[TrajectoryStepRecord | Mapping[str, Any]]) -> Self:
        """Return the session with further steps; without any, it stays as it is."""
        added = tuple(steps)
        if not added:
            return self
        return self._changed(trajectory_steps=(*self.trajectory_steps, *added))

    def trajectory(self) -> tuple[TrajectoryStepRecord, ...]:
        """Return the steps recorded so far."""
        return self.trajectory_steps

    def set_active_seed(self, seed_id: str | None) -> Self:
        """Return the session with another active seed, or none."""
        return self._changed(active_seed_id=seed_id)

    def set_active_persona(self, persona_id: str | None) -> Self:
        """Return the session with another active persona, or none."""
        return self._changed(active_persona_id=persona_id)

    def set_metadata(self, key: str, value: Any) -> Self:
        """Return the session with one member of its metadata set; *value* is any JSON."""
        return self._changed(metadata={**self.metadata, key: value})

    def get_metadata(self, key: str) -> Any:
        """Return a member of the metadata, None if there is none."""
        return self.metadata.get(key)

    def exchange_count(self) -> int:
        """Return how many messages there are that have an answer."""
        return min(len(self.user_messages), len(self.agent_responses))

    def is_empty(self) -> bool:
        """Whether the user has said nothing yet."""
        return not self.user_messages

    def _changed(self, **fields: Any) -> Self:
        """Return the session with other fields, updated now."""
        return self.model_copy(update={**fields, "updated_at": now()})
