"""The same store for asyncio, gathered from the same rooms of the desk."""

from __future__ import annotations

import os
from typing import Self

from eventstore.desk.base import CACHE_SIZE, Durability, Model
from eventstore.desk.compacts import AsyncCompacts
from eventstore.desk.compare import AsyncCompares
from eventstore.desk.handle import AsyncHandles
from eventstore.desk.replay import AsyncReplays
from eventstore.desk.search import AsyncSearches
from eventstore.desk.streams import AsyncStreams
from eventstore.desk.upkeep import AsyncUpkeep
from eventstore.models.a3s import SessionData
from eventstore.state import STATE_SIZE_MAX
from eventstore.store import EventStore


class AsyncEventStore(
    AsyncHandles,
    AsyncStreams,
    AsyncCompares,
    AsyncReplays,
    AsyncSearches,
    AsyncCompacts,
    AsyncUpkeep,
):
    """An `EventStore` whose methods are coroutines; see there for what each promises.

    `async with AsyncEventStore.open(…) as store` or `store = await AsyncEventStore.open(…)`.
    Cancelling a call stops the waiting, not the work: a cancelled save may still be committed.
    """

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        *,
        model: Model = SessionData,
        durability: Durability = "sync",
        create: bool = True,
        state_size_max: int = STATE_SIZE_MAX,
        cache_size: int = CACHE_SIZE,
        search: bool = False,
    ) -> Self:
        """Return the store at *location*, to be awaited or entered with `async with`."""
        return cls(
            lambda: EventStore.open(
                location,
                model=model,
                durability=durability,
                create=create,
                state_size_max=state_size_max,
                cache_size=cache_size,
                search=search,
            )
        )
