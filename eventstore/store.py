"""The store: every call a user makes, gathered from the rooms of the desk."""

from __future__ import annotations

from eventstore.desk.base import CACHE_SIZE, Durability, Model
from eventstore.desk.compacts import Compacts
from eventstore.desk.compare import Compares
from eventstore.desk.handle import Handles
from eventstore.desk.replay import Replays
from eventstore.desk.search import Searches
from eventstore.desk.streams import Streams
from eventstore.desk.upkeep import Upkeep

__all__ = ["CACHE_SIZE", "Durability", "EventStore", "Model"]


class EventStore(Handles, Streams, Compares, Replays, Searches, Compacts, Upkeep):
    """Sessions with all their history; safe to share between threads, and the directory between
    processes. Every method may raise `BackendError`, and every one that reads, `CorruptError`.
    `store[id]` is one session; `for id in store` and `id in store` are about those not deleted.
    """
