"""The states of one log: rebuilt from their chains, and the newest ones remembered.

What is remembered makes the next save or load of a newest state cheap. It never outlives the row
it was read from or written to, and it is given back when memory is asked for.
"""

from __future__ import annotations

from contextlib import suppress

from eventstore.address import address_of
from eventstore.backend import Backend
from eventstore.chain import Chain, rebuild
from eventstore.errors import CorruptError
from eventstore.log_chain import ChainReader
from eventstore.part_writer import PartWriter
from eventstore.payload import PartEntry


class LogStates:
    """Rebuilds and remembers states. Only `rebuilt` is thread-safe."""

    def __init__(self, backend: Backend, session: str, *, state_size_max: int) -> None:
        """Read the log of *session*, remembering nothing yet."""
        self._backend = backend
        self._session = session
        self._state_size_max = state_size_max
        self._loaded: dict[str, tuple[str, bytes]] = {}
        self.writers: dict[str, PartWriter] = {}

    @property
    def memory_size(self) -> int:
        """Bytes of memory held, about."""
        size = 0
        for writer in list(self.writers.values()):
            size += writer.memory_size
        for _, state in list(self._loaded.values()):
            size += len(state)
        return size

    def clear(self) -> None:
        """Forget everything."""
        self.writers.clear()
        self._loaded.clear()

    def known(self, part: str, row: PartEntry) -> bytes | None:
        """Return the state in *row* if it is in memory and hashes to its address."""
        # By address: an offset may be that of a log which was replaced meanwhile.
        address, state = self._loaded.get(part, ("", b""))
        if address == row.address:
            return state
        self._loaded.pop(part, None)
        writer = self.writers.get(part)
        if writer is None or not writer.is_stored or writer.holder != row.holder:
            return None
        state = writer.text()
        if address_of(state) != row.address:
            return None
        self.remember(part, row, state)
        return state

    def remember(self, part: str, row: PartEntry, state: bytes) -> None:
        """Keep a state that was rebuilt from *row*."""
        self._loaded[part] = row.address, state

    def forget(self, part: str) -> None:
        """Drop the text of a state that is no longer the newest."""
        self._loaded.pop(part, None)

    def rebuilt(self, part: str, row: PartEntry) -> tuple[bytes, Chain]:
        """Rebuild a state from its keyframe on, and check it against its address."""
        reader = ChainReader(self._backend, self._session, part, row)
        steps = reader.glance()
        if steps is not None:
            with suppress(CorruptError):
                state, chain = rebuild(row, steps, self._state_size_max)
                if address_of(state) == row.address:
                    return state, chain
        state, chain = rebuild(row, reader.steps(), self._state_size_max)
        if address_of(state) != row.address:
            raise CorruptError(f"part {part!r} does not hash to its address")
        return state, chain
