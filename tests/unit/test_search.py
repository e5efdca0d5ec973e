"""Searching: what was said is found, in the version that says it, whatever is typed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import (
    AsyncEventStore,
    EventStore,
    InvalidInputError,
    Message,
    SessionData,
    UnsupportedError,
)
from eventstore import search_index as room
from eventstore.draft import Change
from eventstore.search_query import WORDS_MAX, match_of
from eventstore.texts import said_in


@pytest.fixture
def plain(location: str) -> Any:
    """An open store of plain dicts that can be searched, of each backend."""
    with EventStore.open(location, model=dict, search=True) as opened:
        yield opened


def say(store: EventStore, id: str, *texts: str, role: str = "user") -> None:
    """Save a session whose messages say *texts*."""
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for text in texts]
    store.save({"id": id, "messages": messages})


def found(store: EventStore, query: str, **options: Any) -> list[tuple[str, int, int]]:
    """Return where something is found: session, version, message; sorted."""
    return sorted((h.session, h.version, h.message) for h in store.search(query, **options))


CALLS = [
    {"role": "user", "content": "Please read the cookie code"},
    {
        "role": "assistant",
        "reasoning_content": "they mean the session module",
        "content": [
            {"type": "text", "text": "Reading."},
            {"type": "tool_use", "id": "t1", "name": "read_file", "input": {"path": "src/Jar.py"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [{"type": "text", "text": "def expire(): pass"}],
            }
        ],
    },
    {"role": "assistant", "content": [{"type": "image", "source": {"data": "cookie"}}]},
]


def test_all_words_must_be_said(plain: EventStore) -> None:
    """A text with every word is found, in any order and case; one with some of them is not."""
    say(plain, "a", "The cookie expires at once", "nothing here")
    say(plain, "b", "a cookie jar", "it expires")
    assert found(plain, "Expires COOKIE") == [("a", 1, 1)]
    assert found(plain, "cookie") == [("a", 1, 1), ("b", 1, 1)]
    assert found(plain, '"cookie expires"') == [("a", 1, 1)]
    assert found(plain, '"expires cookie"') == []
    assert found(plain, "exp*") == [("a", 1, 1), ("b", 1, 2)]
    assert found(plain, "exp") == []


def test_a_hit_says_where_and_what(plain: EventStore) -> None:
    """A hit has session, version, message, role, time, and the words with their places."""
    say(plain, "a", "x " * 50 + "the cookie expires" + " y" * 50, role="assistant")
    (hit,) = plain.search("cookie expires")
    version = plain.version("a")
    assert version is not None
    assert (hit.session, hit.version, hit.first, hit.message) == ("a", 1, None, 1)
    assert (hit.role, hit.tool, hit.saved_at) == ("assistant", None, version.saved_at)
    assert [hit.snippet[start:stop] for start, stop in hit.marks] == ["cookie", "expires"]
    assert len(hit.snippet) < 120
    assert hit.snippet.startswith("…") and hit.snippet.endswith("…")


def test_tool_calls_and_results_are_found(plain: EventStore) -> None:
    """Arguments, results and reasoning are found, and filtered by role and tool."""
    plain.save({"id": "a", "messages": CALLS})
    assert found(plain, "jar") == found(plain, "src/Jar.py", tool="read_file") == [("a", 1, 2)]
    assert found(plain, "expire", tool="read_file", role="user") == [("a", 1, 3)]
    assert found(plain, "expire", tool="bash") == found(plain, "expire", role="assistant") == []
    assert found(plain, "session module") == [("a", 1, 2)]
    assert found(plain, "cookie") == [("a", 1, 1)]
    assert found(plain, "read_file") == [("a", 1, 2)]


def test_the_typed_sessions_are_searched_too(location: str) -> None:
    """A store of the a3s-code types finds what their messages say."""
    with EventStore.open(location, search=True) as store:
        store.save(SessionData(id="s", messages=(Message.user("Why does login fail?"),)))
        assert found(store, "login") == [("s", 1, 1)]


def test_only_what_is_still_said_unless_asked(plain: EventStore) -> None:
    """The newest versions are searched, or all; each text is found once, with its versions."""
    say(plain, "a", "alpha beta")
    say(plain, "a", "alpha beta", "gamma")
    assert found(plain, "alpha") == [("a", 2, 1)]
    say(plain, "a", "alpha delta")
    say(plain, "a", "alpha delta", "last")
    assert found(plain, "alpha") == [("a", 4, 1)]
    assert found(plain, "beta") == found(plain, "gamma") == []
    every = {(h.first, h.version, h.message) for h in plain.search("alpha", all_versions=True)}
    assert every == {(1, 2, 1), (3, 4, 1)}
    (gamma,) = plain.search("gamma", all_versions=True)
    assert (gamma.first, gamma.version) == (2, 2)
    assert "gamma" in str(plain.load("a", at=gamma.version))
    plain.delete("a")
    assert found(plain, "alpha") == []
    assert len(list(plain.search("alpha", all_versions=True))) == 2
    plain.restore("a", at=1)
    assert found(plain, "beta") == [("a", 6, 1)]


def test_searches_see_what_other_processes_saved(tmp_path: Path) -> None:
    """A search takes in every commit that was made before it, by any store object."""
    directory = tmp_path / "store"
    with (
        EventStore.open(directory, model=dict, search=True) as one,
        EventStore.open(directory, model=dict, search=True) as two,
    ):
        for turn in range(5):
            say(one, "a", f"word{turn}")
            assert found(two, f"word{turn}") == [("a", turn + 1, 1)]
            assert found(one, f"word{turn}") == [("a", turn + 1, 1)]
        assert len(list(two.search("word*", all_versions=True))) == 5


def test_sessions_and_times_narrow_a_search(plain: EventStore) -> None:
    """Only one session, only what was saved in a span of time; the ends are included."""
    say(plain, "a", "word")
    say(plain, "b", "word")
    first, second = (plain.version(id) for id in "ab")
    assert first is not None and second is not None
    assert found(plain, "word", session="b") == [("b", 1, 1)]
    assert found(plain, "word", session="none") == []
    assert ("a", 1, 1) in found(plain, "word", until=first.saved_at)
    assert found(plain, "word", since=second.saved_at + timedelta(seconds=9)) == []
    assert found(plain, "word", until=first.saved_at - timedelta(seconds=1)) == []
    say(plain, "a", "word", "more")
    late = plain.version("a")
    assert late is not None
    in_time = plain.search("word", session="a", until=first.saved_at, all_versions=True)
    assert [h.first for h in in_time] == [1]
    assert len(list(plain.search("word", limit=1))) == 1


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": ' "" * -- () '}, "query"),
        ({"query": 7}, "query"),
        ({"query": "\ud800"}, "query"),
        ({"query": "x" * 5000}, "query"),
        ({"query": "x " * (WORDS_MAX + 1)}, "query"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "limit": True}, "limit"),
        ({"query": "x", "limit": 10**6}, "limit"),
        ({"query": "x", "role": 1}, "role"),
        ({"query": "x", "tool": "\ud800"}, "tool"),
        ({"query": "x", "session": ""}, "id"),
        ({"query": "x", "since": "today"}, "since"),
        (
            {
                "query": "x",
                "since": datetime(2026, 1, 2, tzinfo=UTC),
                "until": datetime(2026, 1, 1, tzinfo=UTC),
            },
            "until",
        ),
    ],
)
def test_what_cannot_be_searched_for_is_refused(options: Any, field: str) -> None:
    """Bad questions are refused with the name of what is wrong in them."""
    with EventStore.open("memory://", model=dict, search=True) as store:
        say(store, "a", "x")
        with pytest.raises(InvalidInputError) as caught:
            store.search(**options)
        assert caught.value.field == field


def test_search_is_off_unless_asked_for(tmp_path: Path) -> None:
    """A store that was not opened for it refuses a search, and keeps no texts."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        say(store, "a", "x")
        with pytest.raises(InvalidInputError, match="search=True"):
            store.search("x")
        with EventStore.open(tmp_path / "store", model=dict, search=True) as other:
            say(other, "a", "y")
        assert list((tmp_path / "store").glob("search*")) == []


HOSTILE = [
    '"', "'", "a AND", "NOT", "OR b", "NEAR(a b)", "a^2", "text:a", "{a b}", "a*b", "(((", "a;--",
    "-a", "+a", "a\x00b", '"unclosed', "*", "a" * 4000, "\u202e", "é", "words", "' OR 1=1 --",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
def test_no_text_is_a_syntax_error(plain: EventStore, query: str) -> None:
    """Whatever is typed is looked for as it stands, or refused because it has no word."""
    say(plain, "a", "a AND NOT OR b NEAR text words 2", "é")
    try:
        list(plain.search(query))
    except InvalidInputError as error:
        assert error.field == "query"
        assert not any(character.isalnum() for character in query)


@given(st.text(max_size=60))
def test_any_text_is_a_sound_expression(text: str) -> None:
    """SQLite takes the expression made of any text that has a word in it."""
    try:
        expression = match_of(text)
    except InvalidInputError:
        return
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    connection.execute("SELECT * FROM words WHERE words MATCH ?", (expression,)).fetchall()
    connection.close()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"messages": 7},
        {"messages": [None, 1, "bare", [], {}, {"role": 1, "content": {}}]},
        {"messages": [{"content": [None, 1, "bare", {"type": "tool_use"}, {"type": []}]}]},
        {"messages": [{"content": [{"type": "tool_result", "content": [1, {"text": 2}]}]}]},
        {"messages": [{"content": [{"type": "tool_use", "id": {}, "name": "n", "input": [1.0]}]}]},
    ],
)
def test_documents_of_any_shape_are_searched(document: Any) -> None:
    """What is no message has no texts, or the few that it has, and is no error."""
    assert all(said.text for said in said_in(document))
    with EventStore.open("memory://", model=dict, search=True) as store:
        store.save({"id": "a", **(document if isinstance(document, dict) else {"x": document})})
        list(store.search("bare"))


def test_texts_with_marks_and_other_characters(plain: EventStore) -> None:
    """Control characters in a text neither hide it nor confuse the marks."""
    say(plain, "a", "one\x02two\x03three\x00four five")
    (hit,) = plain.search("five")
    assert [hit.snippet[start:stop] for start, stop in hit.marks] == ["five"]
    assert found(plain, "three") == [("a", 1, 1)]


@pytest.mark.parametrize("how", ["garbage", "gone", "of another store", "cut", "feed gone"])
def test_a_damaged_search_index_is_made_anew(tmp_path: Path, how: str) -> None:
    """Losing or damaging what is derived loses nothing and repeats nothing."""
    for name in ("one", "two"):
        with EventStore.open(tmp_path / name, model=dict, search=True) as store:
            for version in range(1, 4):
                say(store, name, f"word {version}", *(f"{name} {n}" for n in range(300)))
                assert found(store, "word") == [(name, version, 1)]
    path = tmp_path / "one" / "search.db"
    if how == "garbage":
        path.write_bytes(b"x" * 9000)
    elif how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "feed gone":
        (tmp_path / "one" / "feed.db").unlink()
    else:
        path.write_bytes((tmp_path / "two" / "search.db").read_bytes())
    with EventStore.open(tmp_path / "one", model=dict, search=True) as store:
        say(store, "new", "word")
        assert found(store, "word") == [("new", 1, 1), ("one", 3, 1)]
        assert len(list(store.search("one", limit=500))) == 300


def test_a_damaged_session_is_named_and_the_others_are_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A search says which version it could not take in, and goes on."""
    with EventStore.open(tmp_path / "s", model=dict) as store:
        for id in ("one", "two"):
            for version in range(6):
                say(store, id, *(f"word {n} of {id}" for n in range(version + 1)))
    (log,) = (tmp_path / "s").glob("logs/*/one.log")
    data = bytearray(log.read_bytes())
    size = len(data.rstrip(b"\0"))
    for byte in range(size // 2, size * 3 // 4, 20):
        data[byte] ^= 0xFF
    log.write_bytes(data)
    with EventStore.open(tmp_path / "s", model=dict, search=True) as store:
        hits = {hit.session for hit in store.search("word", limit=500, all_versions=True)}
    log.unlink()
    assert "two" in hits
    assert "of session 'one' is damaged" in caplog.text and "'two'" not in caplog.text


def test_only_what_changed_is_read_again(
    plain: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second search reads no version that the first one read."""
    for number in range(20):
        say(plain, f"s{number}", "word")
    assert len(list(plain.search("word"))) == 20
    index = plain._catalog.search_index(every=False)
    reads: list[tuple[str, int]] = []
    read = index._read
    monkeypatch.setattr(index, "_read", lambda s, v: reads.append((s, v)) or read(s, v))
    assert len(list(plain.search("word"))) == 20
    assert reads == []
    say(plain, "s7", "word", "other")
    assert found(plain, "other") == [("s7", 2, 2)]
    assert reads == [("s7", 2)]


def test_a_long_history_is_taken_in_whole(plain: EventStore) -> None:
    """More versions than one transaction takes are all there, each text with its versions."""
    for number in range(150):
        say(plain, "a", "same", f"turn{number}")
    assert {(h.first, h.version) for h in plain.search("same", all_versions=True)} == {(1, 150)}
    for number in (0, 63, 64, 149):
        (hit,) = plain.search(f"turn{number}", all_versions=True)
        assert (hit.first, hit.version) == (number + 1, number + 1)


def test_what_was_erased_leaves_the_texts(tmp_path: Path) -> None:
    """After an erase no search finds the session, and no file of texts holds what it said."""
    with EventStore.open(tmp_path / "store", model=dict, search=True) as store:
        say(store, "a", "unspeakable secret")
        say(store, "a", "changed")
        say(store, "b", "innocent")
        for every in (False, True):
            assert list(store.search("changed", all_versions=every))
        assert found(store, "secret", all_versions=True) == [("a", 1, 1)]
        erase = Change("erase", time.time_ns(), drop=True)
        store._apply(store._log("a"), lambda head: erase)
        for every in (False, True):
            assert not list(store.search("changed", all_versions=every))
            assert not list(store.search("secret", all_versions=every))
            assert list(store.search("innocent", all_versions=every))
        kept = b"".join(path.read_bytes() for path in (tmp_path / "store").glob("search*"))
        for word in (b"unspeakable", b"secret", b"changed"):
            assert word not in kept


def test_without_full_text_search_it_says_so(
    plain: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite lacks the module, saving works and searching is a typed error."""
    monkeypatch.setattr(room, "_MODULE", "fts5_that_was_not_built")
    say(plain, "a", "word")
    with pytest.raises(UnsupportedError, match="FTS5"):
        plain.search("word")


def test_searching_with_coroutines(location: str) -> None:
    """The asynchronous store finds the same."""

    async def work() -> None:
        async with AsyncEventStore.open(location, model=dict, search=True) as store:
            await store.save({"id": "a", "messages": [{"role": "user", "content": "hello"}]})
            assert [hit.session async for hit in store.search("hello")] == ["a"]

    asyncio.run(work())


def test_what_was_thinned_is_passed_over(plain: EventStore) -> None:
    """Versions whose states were dropped are no error; the others are found as ever."""
    for number in range(6):
        say(plain, "a", "word", f"turn{number}", Random(number).randbytes(9000).hex())
    plain.compact(["a"], keep_last=2)
    assert found(plain, "word") == [("a", 7, 1)]
    assert [h.session for h in plain.search("turn5", all_versions=True)] == ["a"]
    assert list(plain.search("turn1", all_versions=True)) == []
