"""The context of a run: which peers take part, where they write, how large things are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.peer import MissingError, Peer
from benchmarks.peers import OWN, peer_class
from benchmarks.sizes import Sizes


@dataclass
class Context:
    """What workloads need to know; `say` prints a line."""

    directory: Path
    peers: tuple[str, ...]
    sizes: Sizes
    corpus: Path
    say: Callable[[str], None]
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    about: dict[str, dict[str, str]] = field(default_factory=dict)
    lists: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What *list* measured, which is asked for twice and takes long."""

    def only(self, *peers: str) -> Context:
        """Return the same with these peers alone."""
        return replace(self, peers=peers)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give a folder that is gone afterwards; servers of other users can enter it."""
        path = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=self.directory))
        try:
            path.chmod(0o755)
            yield path
        finally:
            shutil.rmtree(path)

    @contextmanager
    def opened(
        self, folder: Path, wanted: Callable[[type[Peer]], bool] = lambda kind: True
    ) -> Iterator[list[Peer]]:
        """Open every peer that is here and *wanted*, each in a folder of its own in *folder*."""
        peers: list[Peer] = []
        try:
            for name in self.peers:
                if (peer := self._opened(name, folder / name, wanted)) is not None:
                    peers.append(peer)
            yield peers
        finally:
            for peer in peers:
                with self.trying(peer):
                    peer.close()

    @contextmanager
    def trying(self, peer: Peer) -> Iterator[None]:
        """Take a peer that fails out of the run and say why; a failure of ours ends the run."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - another library may raise anything
            self._fail(peer.name, error)

    def _fail(self, name: str, error: Exception) -> None:
        """Note and say why a peer is out; raise where it is ours."""
        if name in OWN:
            raise error
        self.failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
        self.say(f"FAILED {name}: {self.failed[name]}")

    def leave(self, peer: Peer, reason: str) -> None:
        """Take a peer out that did nothing wrong."""
        self.left[peer.name] = reason
        self.say(f"{peer.name} {reason}")

    def sound(self, peers: Iterable[Peer]) -> list[Peer]:
        """Return those that did neither fail nor leave."""
        return [peer for peer in peers if peer.name not in self.failed.keys() | self.left.keys()]

    def _opened(self, name: str, folder: Path, wanted: Callable[[type[Peer]], bool]) -> Peer | None:
        """Open one peer, or note and say once why it is not here."""
        if name in self.missing:
            return None
        try:
            kind = peer_class(name)
            if not wanted(kind):
                return None
            folder.mkdir(parents=True)
            peer = kind(folder)
        except MissingError as error:
            self.missing[name] = str(error)
            self.say(f"skipped {name}: {error}")
            return None
        except Exception as error:  # noqa: BLE001 - another library may raise anything
            self._fail(name, error)
            return None
        self.about[name] = {"about": kind.about, "durability": kind.durability}
        return peer
