"""Policies: what an agent may do, and when a person is asked first."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ModelWrapValidatorHandler, model_validator

from eventstore.models.layout import REQUIRED
from eventstore.models.queue import SessionLane
from eventstore.models.record import U64, Flag, Record, Text

_AS_TEXT = "_as_text"


class TimeoutAction(StrEnum):
    """What happens when nobody answers in time."""

    REJECT = "Reject"
    AUTO_APPROVE = "AutoApprove"


class PermissionDecision(StrEnum):
    """What a permission policy says about a call."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


class ConfirmationPolicy(Record):
    """When a person is asked, and for how long the answer is awaited."""

    enabled: Annotated[Flag, REQUIRED] = False
    default_timeout_ms: Annotated[U64, REQUIRED] = 30_000
    timeout_action: Annotated[TimeoutAction, REQUIRED] = TimeoutAction.REJECT
    yolo_lanes: Annotated[tuple[SessionLane, ...], REQUIRED] = ()


class PermissionRule(Record):
    """A pattern of tool calls, such as `Bash(cargo:*)`.

    It is read from an object or from the plain pattern, and written as it was read.
    """

    rule: Text

    @model_validator(mode="wrap")
    @classmethod
    def _read_text(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Read an object, or the pattern alone."""
        if not isinstance(data, str):
            return handler(data)
        rule = handler({"rule": data})
        rule.__dict__[_AS_TEXT] = True
        return rule

    def written(self) -> Any:
        """Return the object, or the pattern alone."""
        return self.rule if _AS_TEXT in self.__dict__ else self.to_object()


class PermissionPolicy(Record):
    """Which tool calls are denied, allowed, or asked about."""

    deny: tuple[PermissionRule, ...] = ()
    allow: tuple[PermissionRule, ...] = ()
    ask: tuple[PermissionRule, ...] = ()
    default_decision: PermissionDecision = PermissionDecision.ASK
    enabled: Flag = True

    def denying(self, *patterns: str) -> Self:
        """Return a copy that also denies *patterns*."""
        return self.model_copy(update={"deny": (*self.deny, *_rules(patterns))})

    def allowing(self, *patterns: str) -> Self:
        """Return a copy that also allows *patterns*."""
        return self.model_copy(update={"allow": (*self.allow, *_rules(patterns))})

    def asking(self, *patterns: str) -> Self:
        """Return a copy that also asks about *patterns*."""
        return self.model_copy(update={"ask": (*self.ask, *_rules(patterns))})


def _rules(patterns: tuple[str, ...]) -> tuple[PermissionRule, ...]:
    """Return one rule for each pattern."""
    return tuple(PermissionRule(rule=pattern) for pattern in patterns)
