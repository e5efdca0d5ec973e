"""The session service of Google's Agent Development Kit: one event for every message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from google.adk.events import Event
from google.adk.sessions import DatabaseSessionService
from google.genai import types

from benchmarks.peer import Peer
from benchmarks.turns import Turn

_WHERE = {"app_name": "bench", "user_id": "bench"}


class GoogleAdk(Peer):
    """A `DatabaseSessionService` on SQLite; messages are the text of its events."""

    name = "google-adk"
    about = "Google ADK, DatabaseSessionService on SQLite, one event a message"
    durability = "rollback journal, synchronous=FULL (SQLite's defaults)"
    distributions = ("google-adk", "sqlalchemy", "aiosqlite", "greenlet")
    keeps = "messages"
    has_threads = False

    def __init__(self, folder: Path) -> None:
        """Use one event loop, as a program would."""
        self._loop = asyncio.new_event_loop()
        self._service = DatabaseSessionService(f"sqlite+aiosqlite:///{folder / 'sessions.db'}")
        self._open: dict[str, Any] = {}

    def save(self, turn: Turn) -> None:
        """Append an event for each new message."""
        self._loop.run_until_complete(self._save(turn))

    def load(self, id: str, number: int | None = None) -> Any:
        """Read the session with all its events."""
        assert number is None, "there is only the newest"
        session = self._loop.run_until_complete(self._service.get_session(session_id=id, **_WHERE))
        return [json.loads(event.content.parts[0].text) for event in session.events]

    def close(self) -> None:
        """Close the engine and the loop's threads."""
        self._loop.run_until_complete(self._service.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _save(self, turn: Turn) -> None:
        """Append to the session, creating it first."""
        session = self._open.get(turn.id)
        if session is None:
            session = await self._service.create_session(session_id=turn.id, **_WHERE)
            self._open[turn.id] = session
        for message in turn.new:
            text = json.dumps(message, ensure_ascii=False)
            part = types.Part(text=text)
            content = types.Content(role="user", parts=[part])
            await self._service.append_event(session, Event(author="user", content=content))
