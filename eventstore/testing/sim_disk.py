"""A simulated disk: what the page cache shows, what the medium holds, what lies between.

    file        data (what reads give) = durable (what the medium holds) + pending (unsynced)
    directory   entries (what lookups give), durable, pending: the same for names
    power cut   durable, and of what is pending any part: see `luck.py`
    kill -9     data and entries; the descriptors and locks of the process are gone

A sync applies what is pending to what is durable. It never copies the page cache, so a write whose
sync failed once stays lost however often the sync is repeated: that is how disks lie.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from random import Random
from typing import Any, TypeVar

from eventstore.testing.luck import Luck, survivor, survivors
from eventstore.testing.sim_nodes import Directory, Entries, File

Image = Mapping[str, bytes | None]
"""What is on a disk: the bytes of every file by its path, and None for every directory."""

_FATES_MAX = 24
_Item = TypeVar("_Item")


class SimDisk:
    """A disk and the machine it is in; every `SimFs` on it is one process."""

    def __init__(
        self,
        image: Image | None = None,
        *,
        boot: int = 1,
        sector_size: int = 512,
        random: Random | None = None,
    ) -> None:
        """Begin with what *image* holds, all of it durable, or with nothing.

        Writes are torn at multiples of *sector_size*; *random* decides what a failed sync keeps.
        """
        self.boot = boot
        self.random = random or Random(0)
        self.sector_size = sector_size
        self._dice = self.random.getrandbits(64)
        self._known_fates: dict[int, tuple[int, list[bytes] | list[Entries]]] = {}
        self.guard = threading.Condition(threading.RLock())
        self._numbers = iter(range(2, 1 << 62))
        self.root = Directory(1)
        # A directory stands before what is in it, for its path is a beginning of theirs.
        for path, data in sorted((image or {}).items()):
            parent, name = self.place(path)
            node = Directory(next(self._numbers)) if data is None else self._filled(data)
            parent.entries[name] = parent.durable[name] = node

    def place(self, path: str) -> tuple[Directory, str]:
        """Return the directory that *path* is in, and its name there."""
        *above, name = path.strip("/").split("/")
        directory = self.root
        for step in above:
            node = directory.entries.get(step)
            if node is None:
                raise FileNotFoundError(2, "No such file or directory", path)
            if not isinstance(node, Directory):
                raise NotADirectoryError(20, "Not a directory", path)
            directory = node
        return directory, name

    def find(self, path: str) -> File | Directory | None:
        """Return what is at *path*, or None; a missing directory on the way is nothing too."""
        if not path.strip("/"):
            return self.root
        try:
            directory, name = self.place(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return directory.entries.get(name)

    def new_file(self) -> File:
        """Return a file without a name."""
        return File(next(self._numbers))

    def new_directory(self) -> Directory:
        """Return a directory without a name."""
        return Directory(next(self._numbers))

    @property
    def cached(self) -> Image:
        """What processes see, and a kill leaves."""
        return self._walk(lambda file: file.data, lambda directory: directory.entries)

    @property
    def durable(self) -> Image:
        """What is left when everything unsynced is lost."""
        return self._walk(lambda file: file.durable, lambda directory: directory.durable)

    def is_settled(self) -> bool:
        """Whether nothing is pending anywhere, so that every power cut leaves the same."""
        return not any(node.pending for node in self._nodes())

    @property
    def errors(self) -> int:
        """How many syncs of files have failed."""
        return sum(node.errors for node in self._nodes() if isinstance(node, File))

    def sync(self) -> None:
        """Make everything durable."""
        for node in list(self._nodes()):
            node.sync()

    def fail_to_sync(self) -> None:
        """Leave the bytes of every file as they are on the medium, and call the cache clean."""
        for node in self._nodes():
            if isinstance(node, File) and node.pending:
                node.fail_to_sync(node.durable)

    def is_lying(self) -> bool:
        """Whether a sync has failed and some process still sees in the cache what was lost."""
        return any(isinstance(node, File) and node.is_lying for node in self._nodes())

    def after_power_cut(self, luck: Luck) -> Image:
        """Return what a power cut leaves: what is pending is kept, torn or lost as luck has it."""
        return self._walk(
            lambda file: survivor(file.durable, file.pending, luck, self.sector_size),
            lambda directory: directory.survivors([luck.keeps() for _ in directory.pending]),
        )

    def crash_images(self, random: Random, limit: int) -> Iterator[Image]:
        """Yield images that a power cut can leave now, at most *limit*.

        Everything lost comes first, everything kept second. Each file and each directory with
        something pending has a few fates, the same until something happens to it, and the images
        are combinations of those, which *random* chooses.
        """
        fates = [(node, self._fates(node)) for node in self._nodes() if node.pending]
        total = prod(len(options) for _, options in fates)
        chosen: Iterable[int] = range(total)
        if total > limit:
            chosen = [0, 1, *random.sample(range(2, total), max(0, limit - 2))]
        layouts: dict[tuple[int, ...], list[tuple[str, File | None]]] = {}
        for number in chosen:
            fate: dict[int, Any] = {}
            names: list[int] = []
            # Number 1 keeps everything, so it is told apart before the others are counted through.
            rest = (total - 1) if number == 1 else number - (number > 1)
            for node, options in fates:
                rest, choice = divmod(rest, len(options))
                fate[node.number] = options[choice]
                if isinstance(node, Directory):
                    names.append(choice)
            layout = layouts.get(tuple(names))
            if layout is None:
                layout = layouts[tuple(names)] = self._layout(fate)
            yield {
                path: None if file is None else fate.get(file.number, file.durable)
                for path, file in layout
            }

    def _layout(self, fate: Mapping[int, Any]) -> list[tuple[str, File | None]]:
        """Return every path, and the file there, where directories have those fates."""
        found: list[tuple[str, File | None]] = []
        waiting = [("", self.root)]
        while waiting:
            path, directory = waiting.pop()
            for name, node in fate.get(directory.number, directory.durable).items():
                place = f"{path}/{name}"
                found.append((place, node if isinstance(node, File) else None))
                if isinstance(node, Directory):
                    waiting.append((place, node))
        return found

    def _fates(self, node: File | Directory) -> list[bytes] | list[Entries]:
        """Return some of what may become of a node: all of it lost first, all of it kept last.

        They are the same until something happens to the node.
        """
        known = self._known_fates.get(node.number)
        if known is None or known[0] != node.changes:
            made = self._new_fates(node, Random(f"{self._dice}/{node.number}/{node.changes}"))
            self._known_fates[node.number] = known = node.changes, made
        return known[1]

    def _new_fates(self, node: File | Directory, random: Random) -> list[bytes] | list[Entries]:
        """Think of what may become of a node."""
        tries = [Luck(random, number) for number in (0, *range(2, _FATES_MAX), 1)]
        if isinstance(node, Directory):
            kept = [tuple(luck.keeps() for _ in node.pending) for luck in tries]
            return [node.survivors(choice) for choice in _distinct(kept)]
        return _distinct(survivors(node.durable, node.pending, tries, self.sector_size))

    def copy(self) -> SimDisk:
        """Return a disk with the same cache, medium and pending changes, and no process on it."""
        dice = Random(self._dice)
        twin = SimDisk(boot=self.boot, sector_size=self.sector_size, random=dice)
        known: dict[int, File | Directory] = {1: twin.root}

        def copied(node: File | Directory) -> File | Directory:
            if node.number not in known:
                new: File | Directory
                known[node.number] = new = (
                    File(node.number) if isinstance(node, File) else Directory(node.number)
                )
                new.take(node, copied)
            return known[node.number]

        twin.root.take(self.root, copied)
        twin._numbers = iter(range(max(known) + 1, 1 << 62))
        return twin

    def started_again(self, image: Image) -> SimDisk:
        """Return the disk after the power came back, holding *image*."""
        return SimDisk(image, boot=self.boot + 1, sector_size=self.sector_size, random=self.random)

    def released(self, seconds: float, is_free: Callable[[], bool]) -> bool:
        """Wait until somebody gives back the lock that *is_free* asks for; False if nobody does."""
        with self.guard:
            return self.guard.wait_for(is_free, seconds)

    def flip(self, path: str, bit: int) -> None:
        """Flip one bit of a file at rest, as decay does."""
        file = self.find(path)
        assert isinstance(file, File), "bits are those of files"
        data = bytearray(file.durable)
        data[bit // 8] ^= 1 << bit % 8
        file.durable = bytes(data)
        file.changes += 1
        file.forget_clean()

    def _filled(self, data: bytes) -> File:
        """Return a file with one name, all of it durable."""
        file = File(next(self._numbers), data)
        file.links = 1
        return file

    def _nodes(self) -> Iterator[File | Directory]:
        """Yield every node that has a name, in the cache or on the medium."""
        waiting: list[File | Directory] = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, Directory):
                waiting += node.entries.values()
                waiting += (n for n in node.durable.values() if n not in node.entries.values())

    def _walk(
        self, data: Callable[[File], bytes], entries: Callable[[Directory], Entries]
    ) -> dict[str, bytes | None]:
        """Return the image of which *data* and *entries* say what there is in each node."""
        image: dict[str, bytes | None] = {}
        waiting = [("", self.root)]
        while waiting:
            path, directory = waiting.pop()
            for name, node in entries(directory).items():
                place = f"{path}/{name}"
                if isinstance(node, Directory):
                    image[place] = None
                    waiting.append((place, node))
                else:
                    image[place] = data(node)
        return image


def _distinct(items: list[_Item]) -> list[_Item]:
    """Return what is in a list, once each: the first first, the last last."""
    *others, last = items
    return [item for item in dict.fromkeys(others) if item != last] + [last]
