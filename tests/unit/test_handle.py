"""Handles, and what versions and sessions look like at a prompt and in a notebook."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from eventstore import AsyncEventStore, EventStore, InvalidInputError


@pytest.fixture
def plain(location: str) -> Any:
    """An open store of plain dicts, of each backend."""
    with EventStore.open(location, model=dict) as opened:
        yield opened


def test_a_handle_does_what_the_store_does(plain: EventStore) -> None:
    """Every call of a handle is the store's, for its session."""
    handle = plain["s"]
    assert (handle.version, handle.load(), list(handle.history)) == (None, None, [])
    assert repr(handle) == "<session 's': not saved yet>"
    assert handle.save({"n": 1}).session == "s"
    assert handle.save({"id": "other", "n": 2}, note="why").version == 2
    assert handle.at(1) == {"n": 1}
    assert handle.at(-1) == {"n": 1}
    assert handle.load() == {"id": "other", "n": 2}
    assert [v.version for v in handle.history] == [v.version for v in handle.history] == [2, 1]
    watch = handle.watch(wait=0)
    assert handle.restore(1).version == 3
    assert [v.version for v in watch] == [3]
    assert handle.fork("t").load() == {"n": 1}
    assert handle.delete()
    assert handle.undelete().version == 6
    assert repr(handle) == "<session 's': version 6, undelete>"


def test_a_store_is_iterated_and_asked_like_a_mapping(plain: EventStore) -> None:
    """Ids come one by one, and only live sessions are in a store."""
    for id in ("b", "a", "gone"):
        plain[id].save({})
    plain["gone"].delete()
    assert list(plain) == ["a", "b"]
    assert "a" in plain and "gone" not in plain and 7 not in plain
    for wrong in ("", 7, None, "\ud800"):
        with pytest.raises(InvalidInputError) as caught:
            plain[wrong]  # type: ignore[index]
        assert caught.value.field == "id"


def test_a_version_says_what_it_is(plain: EventStore) -> None:
    """A version's text is one line, and names number, session, kind, time and address."""
    version = plain.save({"id": "s"})
    assert repr(version).startswith("<version 1 of 's': save at 20")
    assert repr(version).endswith(f"+00:00, b3:{str(version.address)[:12]}>")
    plain.delete("s")
    assert repr(plain.version("s")).endswith("no session part>")
    assert pickle.loads(pickle.dumps(version)) == version


def test_notebooks_show_text_and_never_markup(plain: EventStore) -> None:
    """What a caller wrote is shown as it is, however it looks like HTML."""
    evil = "<script>alert('x')</script>"
    version = plain.save({"id": evil}, actor=evil, note=evil, parts={"mine": 1})
    for shown in (version._repr_html_(), plain[evil]._repr_html_(), plain["new"]._repr_html_()):
        assert shown.startswith("<table>") and shown.endswith("</table>")
        assert "<script" not in shown
    assert "&lt;script&gt;" in version._repr_html_()
    assert "part mine" in version._repr_html_()
    for number in range(12):
        plain.save({"id": "many", "n": number})
    assert plain["many"]._repr_html_().count("<tr>") == 12
    assert "…" in plain["many"]._repr_html_()


def test_notebooks_show_what_differs(plain: EventStore) -> None:
    """A difference is a table of what happened, as text, cut where it is long."""
    evil = "<script>" * 100
    plain.save({"id": "s", "n": 1})
    plain.save({"id": "s", "n": evil, "many": {str(n): n for n in range(80)}})
    shown = plain.diff("s", 1, 2)._repr_html_()
    assert "&#x27;s&#x27; version 1 to &#x27;s&#x27; version 2" in shown
    assert "field changed" in shown
    assert "&lt;script&gt;" in shown and "<script>" not in shown
    assert "…" in shown and len(shown) < 30_000
    assert plain.diff("s", 2, 2)._repr_html_().count("<tr>") == 1


def test_a_handle_with_coroutines(location: str) -> None:
    """The asynchronous store's handle is awaited for the same."""

    async def work() -> None:
        async with AsyncEventStore.open(location, model=dict) as store:
            handle = store["s"]
            assert (await handle.save({"n": 1})).version == 1
            await handle.save({"n": 2})
            assert await handle.at(1) == {"n": 1}
            assert await handle.load() == {"n": 2}
            assert [v.version async for v in handle.history] == [2, 1]
            assert (await handle.restore(1)).version == 3
            version = await handle.version
            assert version is not None and version.version == 3
            fork = await handle.fork("t")
            assert await fork.load() == {"n": 1}
            assert await handle.delete()
            assert (await handle.undelete()).kind == "undelete"
            watch = handle.watch(after=5, wait=0)
            assert [v.version async for v in watch] == [6]
            assert "'s'" in repr(handle)
            with pytest.raises(TypeError):
                iter(store)  # type: ignore[call-overload]

    asyncio.run(work())
