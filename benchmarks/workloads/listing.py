"""*list*: the 50 newest of many sessions, against the same query on a table of SQLite."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.context import Context
from benchmarks.peer import WrongAnswerError
from benchmarks.quartiles import Times, microseconds, ratio, shown
from benchmarks.turns import BEGAN
from eventstore import EventStore, Message, SessionData

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, name TEXT, state TEXT, parent_id TEXT, messages INTEGER, cost REAL,
    size INTEGER, version INTEGER, created_at INTEGER, updated_at INTEGER
);
CREATE INDEX newest ON sessions (updated_at DESC, id);
"""
_INSERT = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_QUERY = "SELECT * FROM sessions ORDER BY updated_at DESC, id LIMIT 50"
_BATCH = 5_000
_SAVES = 15
_REOPENS = 5


def run(context: Context) -> dict[str, Any]:
    """Measure with each number of sessions."""
    found = {}
    for count in context.sizes.listed:
        found[str(count)] = measure(context, count)
        context.say("\n".join(_lines_of(str(count), found[str(count)])))
    return found


def measure(context: Context, count: int) -> dict[str, Any]:
    """Measure lists of *count* sessions, once in a run."""
    if count not in context.lists:
        context.lists[count] = _measure(context, count)
    return context.lists[count]


def _measure(context: Context, count: int) -> dict[str, Any]:
    """Fill both with *count* sessions, then ask both in turn."""
    with context.scratch("list") as folder:
        path = folder / "rows.db"
        _fill(folder / "store", path, count)
        with (
            EventStore.open(folder / "store") as store,
            contextlib.closing(sqlite3.connect(path)) as rows,
        ):
            rows.execute("PRAGMA synchronous = FULL")
            first = _one_by_one({"eventstore": lambda: _ours(store)}, 1)["eventstore"][0]
            asked: dict[str, Callable[[], list[str]]] = {
                "eventstore": lambda: _ours(store),
                "sqlite": lambda: _theirs(rows),
            }
            steady = _one_by_one(asked, context.sizes.lists)
            saved: dict[str, Times] = {name: {} for name in asked}
            for number in range(_SAVES):
                _save(store, rows, count + number)
                for name, times in _one_by_one(asked, 1).items():
                    saved[name][number] = times[0]
            newest = _ours(store)[0]
        reopened = _one_by_one(
            {
                "eventstore": lambda: _opened_ours(folder / "store", newest),
                "sqlite": lambda: _opened_theirs(path, newest),
            },
            _REOPENS,
        )
    later = statistics.median(steady["eventstore"].values())
    return {
        "list": _described(steady),
        "list_after_a_save": _described(saved),
        "reopen_and_look_up": _described(reopened),
        "first_list_to_later_ones": round(first / later, 1),
    }


def _fill(store_path: Path, rows_path: Path, count: int) -> None:
    """Save sessions without a sync for each, and the same as rows."""
    rows = sqlite3.connect(rows_path)
    rows.executescript(_SCHEMA)
    with EventStore.open(store_path, durability="unsafe_os") as store, contextlib.closing(rows):
        for sessions in _batches(count):
            for session in sessions:
                store.save(session)
            with rows:
                rows.executemany(_INSERT, map(_row, sessions))
    # One sync of everything takes less time than one of every file, and nothing is left to write.
    os.sync()


def _batches(count: int) -> Iterator[list[SessionData]]:
    """Yield sessions in lists of bounded length."""
    for start in range(0, count, _BATCH):
        yield [_session(number) for number in range(start, min(start + _BATCH, count))]


def _session(number: int) -> SessionData:
    """Return a small session; those with higher numbers are not always newer."""
    updated = BEGAN + number * 7919 % 1_000_003
    return SessionData(
        id=f"session-{number:07}",
        messages=(Message.user(f"What is wrong with {number}?"),),
        created_at=BEGAN,
        updated_at=updated,
    )


def _row(session: SessionData) -> tuple[Any, ...]:
    """Return a session as a row."""
    return (
        session.id,
        "",
        session.state,
        "",
        1,
        0.0,
        600,
        1,
        session.created_at,
        session.updated_at,
    )


def _save(store: EventStore, rows: sqlite3.Connection, number: int) -> None:
    """Save one more session, newer than all, in both."""
    session = _session(number).model_copy(update={"updated_at": BEGAN + 2_000_000 + number})
    store.save(session)
    with rows:
        rows.execute(_INSERT, _row(session))


def _one_by_one(asked: dict[str, Callable[[], list[str]]], rounds: int) -> dict[str, Times]:
    """Ask everybody in turn and compare their answers."""
    times: dict[str, Times] = {name: {} for name in asked}
    names = list(asked)
    for number in range(rounds):
        answers = []
        for name in names if number % 2 else names[::-1]:
            start = time.perf_counter_ns()
            answers.append(asked[name]())
            times[name][number] = time.perf_counter_ns() - start
        if any(answer != answers[0] for answer in answers):
            raise WrongAnswerError("the lists are not the same")
    return times


def _ours(store: EventStore) -> list[str]:
    """Return the ids of the newest sessions."""
    return [session.id for session in store.sessions(limit=50)]


def _theirs(rows: sqlite3.Connection) -> list[str]:
    """Return the ids of the newest rows."""
    return [row[0] for row in rows.execute(_QUERY).fetchall()]


def _opened_ours(path: Path, id: str) -> list[str]:
    """Open the store and load one session."""
    with EventStore.open(path) as store:
        return [store.load(id).id]


def _opened_theirs(path: Path, id: str) -> list[str]:
    """Open the database and read one row."""
    with contextlib.closing(sqlite3.connect(path)) as rows:
        return [rows.execute("SELECT id FROM sessions WHERE id = ?", (id,)).fetchone()[0]]


def _described(times: dict[str, Times]) -> dict[str, Any]:
    """Return the quartiles of both and the ratio."""
    found: dict[str, Any] = {name: microseconds(own) for name, own in times.items()}
    found["ratio"] = ratio(times["eventstore"], times["sqlite"])
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """Return the tables."""
    return [line for count, one in found.items() for line in _lines_of(count, one)]


def _lines_of(count: str, one: dict[str, Any]) -> list[str]:
    """Return the table of one number of sessions."""
    said = [f"list, 50 newest of {count} sessions: eventstore / SQLite, medians (quartiles)"]
    for what in ("list", "list_after_a_save", "reopen_and_look_up"):
        said.append(f"  {what:<26}{shown(one[what]['ratio']):>26}")
    return [*said, f"  {'first list / later lists':<26}{one['first_list_to_later_ones']:>26}"]
