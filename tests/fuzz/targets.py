"""What decodes bytes that anybody may have written, and sound examples of each to start from."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from eventstore import EventStore, EventStoreError
from eventstore.backends.memory import MemoryBackend
from eventstore.commit import parse_commit
from eventstore.delta import Splice, decode_delta, encode_delta, fold
from eventstore.frame import decode_frame, decode_header, find_frame
from eventstore.index_database import INDEX
from eventstore.interchange.importer import import_paths
from eventstore.packed import unpack
from eventstore.payload import decode_table
from eventstore.state import check_bytes
from eventstore.stream import compress, decompress, read_stream
from tests.crash.forge import sealed, sound_log

SIZE_MAX = 2**20
SECONDS_MAX = 2.0
MEMORY_MAX = 64 * 2**20
"""What one case may take; the inputs are a few kilobytes."""

_STATES = [
    b'{"id":"a","n":%d,"messages":[%s]}' % (n, b",".join([b'"turn"'] * n)) for n in (1, 2, 9)
]
_FRAMES = sound_log(*_STATES, artifacts=b'{"artifacts":[]}')
_FIRST = decode_frame(_FRAMES[0], 0)
_STATE = b'{"id":"a","n":1.0,"text":"h\xc3\xa9"}'
_DELTA = encode_delta([Splice(0, 5, b"new"), Splice(9, 20, b"")])
_LINE = b'{"type":"user","sessionId":"s","message":{"role":"user","content":"hi"},"uuid":"u"}\n'


@dataclass(frozen=True)
class Target:
    """A decoder: `run` raises what the decoder raises, but for the typed errors that it may."""

    name: str
    decode: Callable[[bytes], object]
    examples: tuple[bytes, ...] = field(repr=False)
    weight: int = 10

    def run(self, data: bytes) -> None:
        """Decode, letting pass whatever must not happen."""
        with suppress(EventStoreError):
            self.decode(data)


def _splices(data: bytes) -> None:
    """Decode splices and build the state that they say."""
    delta = decode_delta(data)
    fold(_STATES[2], [delta], min(delta.size, SIZE_MAX), SIZE_MAX)


def _log(data: bytes) -> None:
    """Read a whole log, and add to it."""
    backend = MemoryBackend()
    with backend.writing("a"):
        backend.append("a", 0, data)
    with EventStore(backend, model=dict, state_size_max=SIZE_MAX) as store:
        store.list()
        for version in store.history("a"):
            for part in version.parts:
                store.load_bytes("a", part, at=version.version)
        store.save({"id": "a", "n": 0})


def _sealed_log(data: bytes) -> None:
    """Read a log whose first frame has right checksums, whatever it says."""
    if len(data) > 48:
        _log(sealed(data, 0) + b"".join(_FRAMES[1:]))


def _index(data: bytes) -> None:
    """Open a store whose index is anything: a list is a list, and what is loaded is right.

    SQLite keeps no checksums, so a row that is another row now may be listed as it is.
    """
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "store"
        with EventStore.open(place, model=dict) as store:
            store.save({"id": "a"})
        (place / INDEX).write_bytes(data)
        for path in place.glob(f"{INDEX}-*"):
            path.unlink()
        logging.disable(logging.WARNING)
        try:
            with EventStore.open(place, model=dict) as store:
                assert all(isinstance(id, str) for id in store.list())
                assert store.load("a") == {"id": "a"}
        finally:
            logging.disable(logging.NOTSET)


def _imported(name: str) -> Callable[[bytes], None]:
    """Return what imports a file of that name."""

    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as directory, EventStore.open("memory://") as store:
            path = Path(directory) / name
            path.write_bytes(data)
            report = import_paths(store, [path])
            assert all(store.exists(id) for id in report.sessions)

    return run


def _index_example() -> bytes:
    """Return the database of a small store."""
    with tempfile.TemporaryDirectory() as directory:
        with EventStore.open(Path(directory) / "store", model=dict) as store:
            store.save({"id": "a"})
            store.list()
        return (Path(directory) / "store" / INDEX).read_bytes()


def targets() -> tuple[Target, ...]:
    """Return every decoder."""
    session = json.dumps({"id": "one", "messages": [], "created_at": 1, "updated_at": 2}).encode()
    return (
        Target("frame header", lambda data: decode_header(data, 0), tuple(_FRAMES)),
        Target("frame", lambda data: decode_frame(data, 0), tuple(_FRAMES)),
        Target("search for a frame", lambda data: find_frame(data, 0), (b"x" + _FRAMES[0],)),
        Target("commit", parse_commit, (unpack(_FIRST.commit, 1).encoded,)),
        Target("packed commit", lambda data: unpack(data, 1), (_FIRST.commit,)),
        Target("table", lambda data: decode_table(data, 1 << 20), (_FIRST.table,)),
        Target("body", lambda data: decompress(data, 500, SIZE_MAX), (compress(b"x" * 500),)),
        Target("stream", lambda data: read_stream([data], [500], b""), (compress(b"x" * 500),)),
        Target("splices", _splices, (_DELTA,)),
        Target("state", lambda data: check_bytes(data, part="p", size_max=SIZE_MAX), (_STATE,)),
        Target("log", _log, (b"".join(_FRAMES), b"".join(_FRAMES)[:-9]), weight=3),
        Target("sealed log", _sealed_log, (_FRAMES[0],), weight=3),
        Target("index", _index, (_index_example(), b"SQLite format 3\0"), weight=1),
        Target("imported transcript", _imported("one.jsonl"), (_LINE * 3,), weight=1),
        Target("imported session", _imported("one.json"), (session,), weight=1),
    )
