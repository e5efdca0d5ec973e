"""Ids of every odd kind: refused, or stored without ever meeting another."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore, InvalidInputError
from eventstore.backends.log_names import log_name, session_of

LONGEST = "\u20ac" * 341 + "x"
ODD = [
    ".",
    "..",
    "...",
    "/",
    "//",
    "\\",
    "a/b",
    "a\\b",
    "a_b",
    "a%2fb",
    "a%2Fb",
    "%",
    "%61",
    "a",
    "A",
    "a.",
    "a. ",
    "a ",
    " a",
    "a\n",
    "a\r\n",
    "\0",
    "a\0",
    "a\0b",
    "CON",
    "con",
    "Con",
    "con.log",
    "NUL",
    "aux",
    "COM1",
    "lpt9",
    "~",
    "a~b",
    "a.log",
    ".log",
    "-",
    "--help",
    "*",
    "?",
    "a:b",
    "a|b",
    '"',
    "'",
    "é",
    "e\u0301",
    "\u212b",
    "\u00c5",
    "A\u030a",
    "ß",
    "ss",
    "ſ",
    "İ",
    "i\u0307",
    "😀",
    "👩‍👩‍👧",
    "\u202eevil",
    "\ufeff",
    "\u2028",
    "x" * 180,
    "x" * 181,
    "x" * 1024,
    "x" * 1023,
    "X" * 1024,
    "." * 1024,
    LONGEST,
    LONGEST[:-1] + "y",
    "\u20ac" * 341,
    "../../../etc/passwd",
    "/etc/passwd",
    "logs/00/a.log",
    "format.json",
]


def test_odd_ids_never_meet(location: str) -> None:
    """Every odd id is stored, listed and loaded under exactly its name, apart from all others."""
    assert len(LONGEST.encode()) == 1024
    assert len(set(ODD)) == len(ODD)
    with EventStore.open(location, model=dict) as store:
        for number, id in enumerate(ODD):
            assert store.save({"id": id, "n": number}).version == 1
        for number, id in enumerate(ODD):
            assert store.load(id) == {"id": id, "n": number}
            assert store.exists(id)
        assert store.list() == sorted(ODD)
        assert {item.id for item in store.sessions(limit=1000)} == set(ODD)
        assert store.delete("a")
        assert store.exists("A")
    if location != "memory://":
        with EventStore.open(location, model=dict) as store:
            assert store.list() == sorted(set(ODD) - {"a"})
            for path in Path(location).glob("index.db*"):
                path.unlink()
            assert store.list() == sorted(set(ODD) - {"a"})
            assert store.load(LONGEST)["id"] == LONGEST


def test_odd_ids_stay_inside_and_would_on_any_file_system(tmp_path: Path) -> None:
    """No two logs have names that a case-blind or normalising file system would take for one."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for id in ODD:
            store.save({"id": id})
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    logs = [path.name for path in (tmp_path / "store" / "logs").rglob("*.log")]
    alike = {unicodedata.normalize("NFKD", name).casefold().rstrip(". ") for name in logs}
    assert len(alike) == len(logs) == len(ODD)
    assert all(len(name.encode()) <= 255 and name.isascii() for name in logs)
    devices = {"con", "prn", "aux", "nul", "com1", "lpt9"}
    assert not devices & {name.split(".")[0] for name in logs}


BAD: list[Any] = [
    "",
    "x" * 1025,
    "\u20ac" * 342,
    "x" * 2048,
    "\ud800",
    "a\udfff",
    None,
    5,
    True,
    1.5,
    b"bytes",
    ["a"],
    {"a": 1},
    ("a",),
]
CALLS: list[Callable[[EventStore, Any], Any]] = [
    lambda store, name: store.save({"id": name}),
    lambda store, name: store.save_states(name, {"session": b"{}"}),
    lambda store, name: store.save_artifacts(name, {"artifacts": []}),
    lambda store, name: store.save_trace_events(name, []),
    lambda store, name: store.save_run_records(name, []),
    lambda store, name: store.save_verification_reports(name, []),
    lambda store, name: store.load(name),
    lambda store, name: store.load_artifacts(name),
    lambda store, name: store.load_part(name, "mine"),
    lambda store, name: store.load_bytes(name),
    lambda store, name: store.exists(name),
    lambda store, name: store.delete(name),
    lambda store, name: store.undelete(name),
    lambda store, name: store.version(name),
    lambda store, name: list(store.history(name)),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_bad_ids_are_refused_everywhere(location: str, number: int) -> None:
    """Every call refuses what is no id, names the field, and writes nothing."""
    with EventStore.open(location, model=dict) as store:
        for id in BAD:
            with pytest.raises(InvalidInputError) as caught:
                CALLS[number](store, id)
            assert caught.value.field in ("id", "session.id")
        assert store.list() == []
        assert store.stats().versions == 0
    if location != "memory://":
        assert list((Path(location) / "logs").rglob("*.log")) == []


def test_a_session_without_an_id_is_refused(location: str) -> None:
    """A document that states no id needs one beside it."""
    with EventStore.open(location, model=dict) as store:
        with pytest.raises(InvalidInputError) as caught:
            store.save({"name": "x"})
        assert caught.value.field == "id"
        store.save({"name": "x"}, id="given")
        assert store.load("given") == {"name": "x"}


IDS = st.text(min_size=1, max_size=300).filter(
    lambda text: len(text.encode(errors="replace")) <= 1024
)


@given(one=IDS, two=IDS)
def test_log_names_are_injective(one: str, two: str) -> None:
    """Two ids have one file name only if they are equal, and a name spells its id back."""
    for id in (one, two):
        name = log_name(id)
        assert len(name) <= 180
        assert session_of(name) in (id, None)
        assert session_of(name) == id or "~" in name
    assert (log_name(one) == log_name(two)) is (one == two)
    assert (log_name(one).casefold() == log_name(two).casefold()) is (one == two)
