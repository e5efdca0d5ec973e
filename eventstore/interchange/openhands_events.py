"""Events of OpenHands as messages: actions are what the agent said and called, observations what
came back. Events of its version 1 say their `kind`, those before it their `action` or
`observation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.interchange.chat_messages import arguments_of, blocks_of, time_of, usage_of
from eventstore.interchange.chat_session import ChatMessage, Usage
from eventstore.interchange.report import FileOutcome

_BOOKKEEPING = frozenset(
    {
        "",
        "null",
        "agent_state_changed",
        "change_agent_state",
        "condensation",
        "condensation_request",
        "loop_detection_recovery",
        "pause",
        "recall",
        "start",
        "stop",
    }
)
"""Actions and observations that are known to carry no message."""

_KINDS_BOOKKEEPING = frozenset(
    {
        "Condensation",
        "CondensationRequest",
        "CondensationSummaryEvent",
        "ConversationStateUpdateEvent",
        "LLMCompletionLogEvent",
        "PauseEvent",
        "TokenEvent",
    }
)
_NOT_ARGUMENTS = frozenset({"thought", "confirmation_state", "security_risk", "hidden", "kind"})


def is_event(value: Any) -> bool:
    """Whether a value is an event of OpenHands."""
    if not isinstance(value, dict) or type(value.get("source")) is not str:
        return False
    kind = value.get("kind")
    if type(kind) is str:
        return kind.endswith("Event") or kind in _KINDS_BOOKKEEPING
    return any(type(value.get(name)) is str for name in ("action", "observation"))


class Events:
    """The events of one session, in order; what is passed over is counted in the outcome."""

    def __init__(self, values: list[Any], outcome: FileOutcome) -> None:
        """Read *values*."""
        self._values = values
        self._outcome = outcome
        self._calls: dict[str, str] = {}
        """The id of the call that each event made."""

    def messages(self) -> Iterator[ChatMessage]:
        """Yield the messages."""
        passed: dict[str, int] = {}
        for number, value in enumerate(self._values, start=1):
            if not is_event(value):
                self._outcome.problem(f"element {number} is no event")
                continue
            message = self._message(value, f"event {value.get('id', number)}")
            if message is not None:
                yield message
                continue
            kind = str(value.get("kind") or value.get("action") or value.get("observation") or "")
            self._outcome.counts["bookkeeping"] += 1
            if kind not in _BOOKKEEPING and kind not in _KINDS_BOOKKEEPING:
                passed[kind[:40]] = passed.get(kind[:40], 0) + 1
        for kind, count in passed.items():
            self._outcome.warning(f"{count} events of kind {kind!r} passed over")

    def _message(self, value: dict[str, Any], place: str) -> ChatMessage | None:
        """Return the message that an event is; None for bookkeeping."""
        if type(value.get("kind")) is str:
            return self._newer(value, place)
        if type(value.get("action")) is str:
            return self._action(value, value["action"], place)
        return self._observation(value, value["observation"], place)

    def _action(self, value: dict[str, Any], action: str, place: str) -> ChatMessage | None:
        """Return what somebody said or called."""
        arguments = _object(value.get("args"))
        if action in _BOOKKEEPING:
            return None
        if action in ("message", "system"):
            role = {"user": "user", "agent": "assistant"}.get(value["source"], "user")
            said = [*blocks_of(arguments.get("content") or value.get("message"))]
            said += [_image(url) for url in _list(arguments.get("image_urls"))]
            return _said("system" if action == "system" else role, said, value, place)
        id = _call_id(value) or place
        self._calls[str(value.get("id"))] = id
        name = _object(value.get("tool_call_metadata")).get("function_name")
        call = {
            "type": "tool_use",
            "id": id,
            "name": name if type(name) is str and name else action,
            "input": _asked_for(value, id, arguments),
        }
        thoughts = [
            *blocks_of(arguments.get("thought")),
            *blocks_of(arguments.get("final_thought")),
        ]
        role = "user" if value["source"] == "user" else "assistant"
        return _said(role, [*thoughts, call], value, place)

    def _observation(self, value: dict[str, Any], kind: str, place: str) -> ChatMessage | None:
        """Return what came back from a call, or what the environment had to say."""
        if kind in _BOOKKEEPING:
            return None
        id = _call_id(value) or self._calls.get(str(value.get("cause")))
        content = value.get("content") or value.get("message")
        if id is None:
            if kind != "error":
                return None
            return _said("user", [*blocks_of(content)], value, place)
        failed = value.get("success") is False or kind == "error"
        return _result(id, value.get("content"), failed, value, place)

    def _newer(self, value: dict[str, Any], place: str) -> ChatMessage | None:
        """Return the message of an event of version 1."""
        kind = value["kind"]
        if kind == "MessageEvent":
            said = _object(value.get("llm_message"))
            role = said.get("role")
            role = role if type(role) is str and role else "user"
            return _said(role, [*blocks_of(said.get("content"))], value, place)
        if kind == "SystemPromptEvent":
            said = _object(value.get("system_prompt"))
            return _said("system", [*blocks_of(said.get("text"))], value, place)
        id = value.get("tool_call_id")
        if kind == "ActionEvent" and type(id) is str:
            asked = _object(_object(value.get("tool_call")).get("function")) or _object(
                value.get("tool_call")
            )
            action = _object(value.get("action"))
            call = {
                "type": "tool_use",
                "id": id,
                "name": str(value.get("tool_name") or ""),
                "input": arguments_of(asked["arguments"])
                if "arguments" in asked
                else _without_notes(action),
            }
            thought = value.get("reasoning_content")
            reasoned = [{"type": "thinking", "thinking": thought}] if type(thought) is str else []
            return _said(
                "assistant", [*reasoned, *blocks_of(value.get("thought")), call], value, place
            )
        if kind in ("ObservationEvent", "UserRejectObservation", "AgentErrorEvent") and id:
            found = _object(value.get("observation"))
            content = found.get("content", found.get("output", value.get("error")))
            if content is None:
                content = value.get("rejection_reason")
            failed = kind != "ObservationEvent" or found.get("is_error") is True
            return _result(str(id), content, failed, value, place)
        return None


def _said(role: str, content: list[Any], value: dict[str, Any], place: str) -> ChatMessage:
    """Return a message with what the event knows beside its content."""
    response = _object(_object(value.get("tool_call_metadata")).get("model_response"))
    usage = response.get("usage")
    model, reply = response.get("model"), response.get("id")
    taken: Usage | None = usage_of(usage) if isinstance(usage, dict) else None
    return ChatMessage(
        role,
        content,
        place=place,
        time=time_of(value.get("timestamp")),
        model=model if type(model) is str and model else None,
        reply=reply if type(reply) is str and reply else None,
        usage=taken,
    )


def _result(id: str, content: Any, failed: bool, value: dict[str, Any], place: str) -> ChatMessage:
    """Return the message that answers one call."""
    blocks = [*blocks_of(content)]
    texts = [block["text"] for block in blocks if isinstance(block, dict) and "text" in block]
    result = {
        "type": "tool_result",
        "tool_use_id": id,
        "content": "".join(texts) if len(texts) == len(blocks) < 2 else blocks,
        "is_error": True if failed else None,
    }
    time = time_of(value.get("timestamp"))
    return ChatMessage("user", [result], is_result=True, place=place, time=time)


def _asked_for(value: dict[str, Any], id: str, arguments: dict[str, Any]) -> Any:
    """Return the arguments of a call as the model wrote them, else as the event has them."""
    response = _object(_object(value.get("tool_call_metadata")).get("model_response"))
    for choice in _list(response.get("choices")):
        for call in _list(_object(_object(choice).get("message")).get("tool_calls")):
            if _object(call).get("id") == id:
                return arguments_of(_object(call["function"]).get("arguments"))
    return _without_notes(arguments)


def _without_notes(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments without what is no argument."""
    return {name: value for name, value in arguments.items() if name not in _NOT_ARGUMENTS}


def _call_id(value: dict[str, Any]) -> str | None:
    """Return the id of the call that an event made or answers, where the model gave it one."""
    id = _object(value.get("tool_call_metadata")).get("tool_call_id")
    return id if type(id) is str and id else None


def _image(url: Any) -> Any:
    """Return the block of an image."""
    return next(blocks_of([{"type": "image_url", "image_url": {"url": url}}]))


def _object(value: Any) -> dict[str, Any]:
    """Return *value* if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    """Return *value* if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
