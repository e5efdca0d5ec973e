"""What a simulated disk is made of: files and directories, in the cache and on the medium."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eventstore.testing.luck import Change, Truncate, applied

Entries = dict[str, "File | Directory"]


class File:
    """A file: its bytes in the cache and on the medium, and who holds its lock.

    `changes` counts the changes, so that what is pending can be told from what was.
    """

    __slots__ = ("changes", "data", "durable", "errors", "links", "number", "owner", "pending")

    def __init__(self, number: int, data: bytes = b"") -> None:
        """Begin with *data* on the medium."""
        self.number = number
        self.data = self.durable = data
        self.pending: list[Change] = []
        self.changes = 0
        self.links = 0
        self.errors = 0
        self.owner: object | None = None

    def change(self, change: Change) -> None:
        """Change the bytes in the cache."""
        self.pending.append(change)
        self.changes += 1
        self.data = applied(self.data, [change])

    def sync(self) -> None:
        """Make what is pending durable."""
        self.durable = applied(self.durable, self.pending)
        self.pending = []

    def fail_to_sync(self, kept: bytes) -> None:
        """Leave *kept* on the medium and call the rest of the cache clean all the same."""
        self.durable = kept
        self.pending = []
        self.errors += 1

    def take(self, other: File | Directory, _: object) -> None:
        """Become a copy of *other*."""
        assert isinstance(other, File), "a file is copied from a file"
        self.data, self.durable, self.links = other.data, other.durable, other.links
        self.errors, self.changes = other.errors, other.changes
        self.pending = list(other.pending)

    @property
    def is_lying(self) -> bool:
        """Whether the cache calls bytes clean that a failed sync has lost."""
        return self.data != applied(self.durable, self.pending)

    def forget_clean(self) -> None:
        """Read again from the medium what is not waiting to be written."""
        medium = applied(self.durable, self.pending)
        self.data = medium[: len(self.data)].ljust(len(self.data), b"\0")
        # Where the size was lost too, it is that of the cache: the rest is a hole.
        if len(medium) < len(self.data):
            self.change(Truncate(len(self.data)))


@dataclass(frozen=True, slots=True)
class Renaming:
    """Names that change together; None takes a name away."""

    names: tuple[tuple[str, File | Directory | None], ...]


class Directory:
    """A directory: its names in the cache and on the medium."""

    __slots__ = ("changes", "durable", "entries", "number", "pending")

    def __init__(self, number: int) -> None:
        """Begin empty."""
        self.number = number
        self.changes = 0
        self.entries: Entries = {}
        self.durable: Entries = {}
        self.pending: list[Renaming] = []

    def change(self, *names: tuple[str, File | Directory | None]) -> None:
        """Change names in the cache, all or none of them."""
        change = Renaming(names)
        self.changes += 1
        self.pending.append(change)
        _rename(self.entries, change)

    def sync(self) -> None:
        """Make what is pending durable."""
        for change in self.pending:
            _rename(self.durable, change)
        self.pending = []

    def take(
        self, other: File | Directory, copied: Callable[[File | Directory], File | Directory]
    ) -> None:
        """Become a copy of *other*, with copies of what is in it."""
        assert isinstance(other, Directory), "a directory is copied from a directory"
        self.changes = other.changes
        self.entries = {name: copied(node) for name, node in other.entries.items()}
        self.durable = {name: copied(node) for name, node in other.durable.items()}
        self.pending = [
            Renaming(tuple((n, None if node is None else copied(node)) for n, node in change.names))
            for change in other.pending
        ]

    def survivors(self, kept: Sequence[bool]) -> Entries:
        """Return the names that a power cut leaves when it keeps those of the changes."""
        entries = dict(self.durable)
        for change, survives in zip(self.pending, kept, strict=True):
            if survives:
                _rename(entries, change)
        return entries


def _rename(entries: Entries, change: Renaming) -> None:
    """Apply one change of names."""
    for name, node in change.names:
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node
