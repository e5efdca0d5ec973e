"""The least that a save with our promises computes, written out once and for one kind of session.

No checks of what it is given, no other processes, no index, no way to load: only what has to be
computed whoever computes it. A bound for what code around it can take.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3
from pydantic_core import to_json

from benchmarks.peer import Peer
from benchmarks.peers.new_files import NewFiles
from benchmarks.turns import Turn

_HEADER = struct.Struct("<8sQQIII")
_ZEROED_SIZE = 16 * 1024 * 1024
_LEVEL = 3


class Chain:
    """The commits of one log and the frames they are in."""

    def __init__(self) -> None:
        """Begin a log with an id and a salt of its own."""
        self._log = os.urandom(16).hex()
        self._salt = os.urandom(32)
        self._seq = 0
        self._prev = ""

    def frame(self, address: bytes, size: int, body: bytes) -> bytes:
        """Return the frame of a commit to a state, and go on to it."""
        self._seq += 1
        commitment = blake3(address, key=self._salt).hexdigest()
        commit = (
            f'{{"log":"{self._log}","seq":{self._seq},"prev":"{self._prev}","kind":"save",'
            f'"time":{time.time_ns()},"parts":{{"session":{{"c":"{commitment}","size":{size}}}}}}}'
        ).encode()
        self._prev = blake3(commit).hexdigest()
        header = _HEADER.pack(b"leastlog", self._seq, size, len(commit), len(body), 0)
        frame = b"".join((header, commit, address, body))
        return frame + blake3(frame).digest()


class LeastLog(Peer):
    """One session that only grows, into one file of zeros."""

    name = "least-log"
    about = "the least that our save of a growing session computes, and its system calls"
    durability = "one fdatasync a save"
    keeps = "nothing"
    takes_model = True
    distributions = ("pydantic", "blake3", "zstandard")

    def __init__(self, folder: Path) -> None:
        """Write the zeros."""
        self._path = str(folder / "log")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._file, bytes(_ZEROED_SIZE), 0)
        os.fsync(self._file)
        self._end = 0
        self._messages: tuple[Any, ...] = ()
        self._rest = b""
        self._prefix, self._prefix_size = blake3(), 0
        self._stream = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._chain = Chain()

    def save(self, turn: Turn) -> None:
        """Write what is new, and commit to all of it."""
        assert turn.model is not None, "a peer of models is given models"
        messages, old = turn.model.messages, self._messages
        assert messages[: len(old)] == old, "the session grows"
        texts = [m.__pydantic_serializer__.to_json(m) for m in messages[len(old) :]]
        members = dict(turn.model.__dict__)
        del members["messages"]
        rest = to_json(members)
        added = b",".join(texts)
        self._prefix.update(added)
        self._prefix_size += len(added)
        whole = self._prefix.copy()
        whole.update(rest)
        delta = added + rest if rest != self._rest else added
        body = self._stream.compress(delta)
        body += self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._append(self._chain.frame(whole.digest(), self._prefix_size + len(rest), body))
        self._messages, self._rest = messages, rest

    def _append(self, frame: bytes) -> None:
        """Write a frame, with the lock held and the file looked at, and sync."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        assert os.lstat(self._path).st_size >= self._end + len(frame), "there are zeros left"
        os.pwrite(self._file, frame, self._end)
        os.fdatasync(self._file)
        self._end += len(frame)
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def load(self, id: str, number: int | None = None) -> Any:
        """Nothing can be loaded."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def size(self, folder: Path) -> int:
        """Return what was written, without the zeros behind it."""
        return self._end


class LeastNewFiles(NewFiles):
    """A new session each, into a file of its own."""

    name = "least-new-files"
    about = "the least that our save of a new session computes, and its system calls"
    takes_model = True
    distributions = ("pydantic", "blake3", "zstandard")

    def __init__(self, folder: Path) -> None:
        """Make the directories; each thread has a compressor."""
        super().__init__(folder)
        self._own = threading.local()

    def save(self, turn: Turn) -> None:
        """Commit to the session and write it."""
        assert turn.model is not None, "a peer of models is given models"
        compressor = getattr(self._own, "compressor", None)
        if compressor is None:
            compressor = self._own.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        text = turn.model.__pydantic_serializer__.to_json(turn.model)
        frame = Chain().frame(blake3(text).digest(), len(text), compressor.compress(text))
        self._write(turn.id, frame)
