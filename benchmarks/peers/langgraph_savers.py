"""LangGraph's savers: one checkpoint for every turn, with and without its delta channel.

A turn is one `update_state`, which writes a single checkpoint; running a graph writes more. The
channel holds a list of turns, because a delta channel makes objects of LangChain of dicts that
look like messages, which are then not what was saved.
"""

from __future__ import annotations

import contextlib
import operator
import sqlite3
from pathlib import Path
from typing import Annotated, Any, TypedDict

import psycopg
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import StateGraph

from benchmarks.peer import Peer
from benchmarks.peers.postgres_server import PostgresServer, server_version
from benchmarks.turns import Turn


def _folded(turns: list[Any], writes: list[list[Any]]) -> list[Any]:
    """Add what was written to the turns."""
    return [*turns, *(turn for write in writes for turn in write)]


class _LangGraph(Peer):
    """A graph of one step whose state is a list of turns."""

    keeps = "messages"
    has_versions = True
    has_threads = False
    is_delta = False

    def _open(self, saver: Any) -> None:
        """Compile the graph on a saver."""
        saver.setup()
        reducer: Any = DeltaChannel(_folded) if self.is_delta else operator.add
        graph = StateGraph(TypedDict("State", {"turns": Annotated[list, reducer]}))
        graph.add_node("turn", lambda state: {})
        graph.set_entry_point("turn")
        graph.set_finish_point("turn")
        self._graph = graph.compile(checkpointer=saver)
        self._configs: dict[tuple[str, int], Any] = {}

    def save(self, turn: Turn) -> None:
        """Write a checkpoint."""
        config = {"configurable": {"thread_id": turn.id}}
        self._configs[turn.id, turn.number] = self._graph.update_state(
            config, {"turns": [{"new": turn.new}]}, as_node="turn"
        )

    def load(self, id: str, number: int | None = None) -> Any:
        """Read a checkpoint."""
        newest = {"configurable": {"thread_id": id}}
        config = newest if number is None else self._configs[id, number]
        turns = self._graph.get_state(config).values["turns"]
        return [message for turn in turns for message in turn["new"]]


class LangGraphSqlite(_LangGraph):
    """Whole lists in SQLite."""

    name = "langgraph-sqlite"
    about = "LangGraph SqliteSaver"
    durability = "journal_mode=WAL, synchronous=FULL"
    distributions = ("langgraph", "langgraph-checkpoint-sqlite")
    is_whole = True

    def __init__(self, folder: Path) -> None:
        """Open the database."""
        self._connection = sqlite3.connect(folder / "checkpoints.db", check_same_thread=False)
        self._open(SqliteSaver(self._connection))
        self._connection.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


class LangGraphSqliteDelta(LangGraphSqlite):
    """What was written, and a snapshot every 100 writes."""

    name = "langgraph-sqlite-delta"
    about = "LangGraph SqliteSaver, DeltaChannel (beta)"
    is_delta = True
    is_whole = False


class LangGraphPostgres(_LangGraph):
    """Whole lists in PostgreSQL."""

    name = "langgraph-postgres"
    about = "LangGraph PostgresSaver, a server of its own over a Unix socket"
    durability = "fsync=on, synchronous_commit=on (PostgreSQL's defaults)"
    distributions = ("langgraph", "langgraph-checkpoint-postgres", "psycopg")
    is_whole = True

    def __init__(self, folder: Path) -> None:
        """Start the server and connect."""
        self._server = PostgresServer(folder)
        try:
            self._connection = psycopg.connect(
                self._server.address, autocommit=True, prepare_threshold=0, row_factory=_rows()
            )
            self._open(PostgresSaver(self._connection))
        except BaseException:
            self._server.stop()
            raise

    def close(self) -> None:
        """Disconnect, note what the tables take, and stop the server."""
        with contextlib.closing(self._connection) as connection:
            connection.execute("CHECKPOINT")
            row = connection.execute("SELECT pg_database_size(current_database()) AS size")
            self._size = row.fetchone()["size"] - self._server.empty_size
        self._server.stop()

    @classmethod
    def services(cls) -> dict[str, str]:
        """Return the version of the server."""
        return {"postgresql": server_version()}

    def size(self, folder: Path) -> int:
        """Return what the database grew by, without the write-ahead log."""
        return self._size


class LangGraphPostgresDelta(LangGraphPostgres):
    """What was written, and a snapshot every 100 writes."""

    name = "langgraph-postgres-delta"
    about = "LangGraph PostgresSaver, DeltaChannel (beta)"
    is_delta = True
    is_whole = False


def _rows() -> Any:
    """Return psycopg's rows as dicts, which the saver needs."""
    from psycopg.rows import dict_row

    return dict_row
