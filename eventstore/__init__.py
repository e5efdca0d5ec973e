"""eventstore: every version of every agent session, kept, found and proven."""

from eventstore.aio import AsyncEventStore
from eventstore.commit import PartVersion, Version
from eventstore.compact import CompactedLog
from eventstore.desk.compacts import CompactReport
from eventstore.desk.handle import Handle
from eventstore.difference import Difference, Divergence
from eventstore.errors import (
    BackendError,
    ConflictError,
    CorruptError,
    DurabilityError,
    ErasedError,
    EventStoreError,
    HeldError,
    InvalidInputError,
    UnsupportedError,
)
from eventstore.events import Event
from eventstore.fold import Fold
from eventstore.history import HistoryPage
from eventstore.index_rows import Page, StoreStats
from eventstore.lineage import TreeNode
from eventstore.models.a3s import (
    ArtifactStore,
    Message,
    RunRecord,
    SessionConfig,
    SessionData,
    ToolArtifact,
    TraceEvent,
    VerificationReport,
)
from eventstore.models.runs import RunEventPage, RunEventRecord
from eventstore.patch import apply_patch
from eventstore.search_query import Hit
from eventstore.session_info import SessionInfo
from eventstore.session_store import SessionStore
from eventstore.store import EventStore
from eventstore.watch import Watch
from eventstore.wording import Words, marked

__all__ = [
    "ArtifactStore",
    "AsyncEventStore",
    "BackendError",
    "CompactReport",
    "CompactedLog",
    "ConflictError",
    "CorruptError",
    "Difference",
    "Divergence",
    "DurabilityError",
    "ErasedError",
    "Event",
    "EventStore",
    "EventStoreError",
    "Fold",
    "Handle",
    "HeldError",
    "HistoryPage",
    "Hit",
    "InvalidInputError",
    "Message",
    "Page",
    "PartVersion",
    "RunEventPage",
    "RunEventRecord",
    "RunRecord",
    "SessionConfig",
    "SessionData",
    "SessionInfo",
    "SessionStore",
    "StoreStats",
    "ToolArtifact",
    "TraceEvent",
    "TreeNode",
    "UnsupportedError",
    "VerificationReport",
    "Version",
    "Watch",
    "Words",
    "apply_patch",
    "marked",
]
