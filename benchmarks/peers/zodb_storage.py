"""ZODB: every message a persistent object, so that a commit writes what is new."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import transaction
import ZODB
import ZODB.FileStorage
from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from persistent.mapping import PersistentMapping

from benchmarks.peer import Peer
from benchmarks.turns import Turn


class Kept(Persistent):
    """One message."""

    def __init__(self, message: dict[str, Any]) -> None:
        """Keep it."""
        self.message = message


class ZodbStorage(Peer):
    """A FileStorage, whose past is opened by transaction."""

    name = "zodb"
    about = "ZODB FileStorage, one persistent object for every message"
    durability = "fsync of the storage at every commit"
    distributions = ("ZODB",)
    has_versions = True
    has_threads = False

    def __init__(self, folder: Path) -> None:
        """Open the database."""
        self._database = ZODB.DB(ZODB.FileStorage.FileStorage(str(folder / "data.fs")))
        self._transactions = transaction.TransactionManager()
        self._guard = threading.Lock()
        self._connection = self._database.open(self._transactions)
        root = self._connection.root()
        if "sessions" not in root:
            root["sessions"] = OOBTree()
            self._transactions.commit()
        self._sessions = root["sessions"]
        self._serials: dict[tuple[str, int], bytes] = {}

    def save(self, turn: Turn) -> None:
        """Add the new messages and commit."""
        rest = {name: value for name, value in turn.document.items() if name != "messages"}
        with self._guard:
            session = self._sessions.get(turn.id)
            if session is None:
                session = PersistentMapping(rest=rest, messages=IOBTree())
                self._sessions[turn.id] = session
            session["rest"] = rest
            messages = session["messages"]
            first = len(turn.document["messages"]) - len(turn.new)
            for number, message in enumerate(turn.new, first):
                messages[number] = Kept(message)
            self._transactions.commit()
            self._serials[turn.id, turn.number] = session._p_serial

    def load(self, id: str, number: int | None = None) -> Any:
        """Read from a connection of its own, which has nothing cached."""
        serial = None if number is None else self._serials[id, number]
        # A past connection sees what is older than *before*; at= includes the transaction itself.
        connection = self._database.open(transaction.TransactionManager(), at=serial)
        connection.cacheMinimize()
        try:
            session = connection.root()["sessions"][id]
            messages = [kept.message for kept in session["messages"].values()]
            return session["rest"] | {"messages": messages}
        finally:
            connection.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
        self._database.close()
