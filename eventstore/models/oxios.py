"""Every type of the oxios formats, gathered from the files of this package."""

from eventstore.models.oxios_messages import (
    AgentResponse,
    ReasoningRecord,
    ReasoningSegment,
    TrajectoryRange,
    TrajectoryStepRecord,
    UserMessage,
)
from eventstore.models.oxios_pruning import PruneConfig, PruneThrottle
from eventstore.models.oxios_session import Session, SessionId, SessionMetadata
from eventstore.models.oxios_summary import SessionSummary

__all__ = [
    "AgentResponse",
    "PruneConfig",
    "PruneThrottle",
    "ReasoningRecord",
    "ReasoningSegment",
    "Session",
    "SessionId",
    "SessionMetadata",
    "SessionSummary",
    "TrajectoryRange",
    "TrajectoryStepRecord",
    "UserMessage",
]
