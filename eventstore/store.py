"""The store: every call a user makes, gathered from the rooms of the desk."""

from __future__ import annotations

from eventstore.desk.base import CACHE_SIZE, Durability, Model
from eventstore.desk.compacts import Compacts
from eventstore.desk.ends import Ends
from eventstore.desk.lists import Lists
from eventstore.desk.loads import Loads
from eventstore.desk.past import Past
from eventstore.desk.saves import Saves

__all__ = ["CACHE_SIZE", "Durability", "EventStore", "Model"]


class EventStore(Saves, Loads, Ends, Past, Lists, Compacts):
    """Sessions with all their history; safe to share between threads, and the directory between
    processes. Every method may raise `BackendError`, and every one that reads, `CorruptError`.
    """
