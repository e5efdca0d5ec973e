"""The peers, by name; each is imported only when it is wanted, because its package may be absent.

Names are what `--peers` takes and what results are kept under.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from benchmarks.peer import MissingError, Peer

OURS, OURS_DICT, OURS_GROUP = "eventstore", "eventstore-dict", "eventstore-group"
FILE, FILE_DICT = "file", "file-dict"
FLOOR, FLOOR_ZEROED = "floor", "floor-zeroed"
NEW_FILES, NEW_FILES_AND_MEMORY = "new-files", "new-files-and-memory"
LEAST_LOG, LEAST_NEW_FILES = "least-log", "least-new-files"

PLACES = {
    OURS: "benchmarks.peers.ours:Ours",
    OURS_DICT: "benchmarks.peers.ours:OursDict",
    OURS_GROUP: "benchmarks.peers.ours:OursGroup",
    FLOOR: "benchmarks.peers.floor:Floor",
    FLOOR_ZEROED: "benchmarks.peers.floor:ZeroedFloor",
    NEW_FILES: "benchmarks.peers.new_files:NewFiles",
    NEW_FILES_AND_MEMORY: "benchmarks.peers.new_files:NewFilesAndMemory",
    LEAST_LOG: "benchmarks.peers.least:LeastLog",
    LEAST_NEW_FILES: "benchmarks.peers.least:LeastNewFiles",
    FILE: "benchmarks.peers.file_store:FileStore",
    FILE_DICT: "benchmarks.peers.file_store:FileStoreDict",
    "file-versions": "benchmarks.peers.file_store:FileVersions",
    "sqlite": "benchmarks.peers.sqlite_rows:SqliteRows",
    "lmdb": "benchmarks.peers.lmdb_environment:Lmdb",
    "rocksdb": "benchmarks.peers.rocks_database:RocksDb",
    "zodb": "benchmarks.peers.zodb_storage:ZodbStorage",
    "git": "benchmarks.peers.git_repository:GitRepository",
    "eventsourcing": "benchmarks.peers.event_sourcing:EventSourcing",
    "openai-agents": "benchmarks.peers.openai_agents:OpenAiAgents",
    "google-adk": "benchmarks.peers.google_adk:GoogleAdk",
    "langgraph-sqlite": "benchmarks.peers.langgraph_savers:LangGraphSqlite",
    "langgraph-sqlite-delta": "benchmarks.peers.langgraph_savers:LangGraphSqliteDelta",
    "langgraph-postgres": "benchmarks.peers.langgraph_savers:LangGraphPostgres",
    "langgraph-postgres-delta": "benchmarks.peers.langgraph_savers:LangGraphPostgresDelta",
}
"""Module and class of each peer."""

NAMES = tuple(PLACES)
BOUNDS = (NEW_FILES, NEW_FILES_AND_MEMORY, LEAST_LOG, LEAST_NEW_FILES)
"""What keeps nothing and only bounds a figure: it takes part where it is asked for by name."""
STORES = tuple(name for name in NAMES if name not in BOUNDS)
OWN = (OURS, OURS_DICT, OURS_GROUP)


def peer_class(name: str) -> type[Peer]:
    """Return the class of a peer; raise `MissingError` saying what is not installed."""
    if name not in PLACES:
        raise MissingError(f"no peer is called {name!r}; there are {', '.join(NAMES)}")
    module, _, attribute = PLACES[name].partition(":")
    try:
        found: type[Peer] = getattr(import_module(module), attribute)
        for distribution in found.distributions:
            version(distribution)
    except ImportError as error:
        what = error.name if isinstance(error, PackageNotFoundError) else error
        raise MissingError(f"not installed: {what}") from error
    return found


def versions_of(names: tuple[str, ...]) -> dict[str, str]:
    """Return the version of everything that some peers need and that is installed."""
    found = {}
    for name in names:
        try:
            kind = peer_class(name)
            found |= {each: version(each) for each in kind.distributions} | kind.services()
        except MissingError:
            continue
    return found
