"""`log` in pages, `diff` and `replay`: the same words as the library, for people and programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eventstore import EventStore, apply_patch
from eventstore.cli import replay as replay_room
from eventstore.cli.app import app
from eventstore.desk import ends, saves


def said(*texts: str, role: str = "user") -> list[dict[str, Any]]:
    """Return messages that say *texts*."""
    return [{"role": role, "content": [{"type": "text", "text": text}]} for text in texts]


class Clock:
    """Stands for the module `time`: saves are two seconds apart, and nobody sleeps."""

    def __init__(self) -> None:
        """Start in 2027."""
        self.now = 1_800_000_000 * 10**9
        self.slept: list[float] = []

    def time_ns(self) -> int:
        """Return the next time."""
        self.now += 2 * 10**9
        return self.now

    def sleep(self, seconds: float) -> None:
        """Note how long somebody would have slept."""
        self.slept.append(seconds)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a store with sessions `s`, in six versions, and `f`, which went another way."""
    clock = Clock()
    monkeypatch.setattr(saves, "time", clock)
    monkeypatch.setattr(ends, "time", clock)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        first = {"id": "s", "state": "Active", "messages": said("run make clean", "ok"), "n": 1.0}
        store.save(first, actor="ann")
        second = {**first, "messages": said("run make\x1b[2J dist", "ok", "done"), "n": 1}
        store.save({**second, "state": "Error"}, actor="bob")
        run = b'[{"snapshot":{"id":"r","status":"executing"},"events":[{"sequence":0}]}]'
        store.save_states("s", {"run_records": run}, actor="bob")
        store.save_artifacts("s", {"artifacts": []}, actor="ann")
        store.delete("s", actor="ann")
        store.undelete("s", actor="bob")
        store.save({**second, "id": "f", "messages": said("run make\x1b[2J dist", "no")})
    return tmp_path / "store"


def run(place: Path, *arguments: str) -> Result:
    """Run the command on a store."""
    environment = {"EVENTSTORE_STORE": "", "TZ": "UTC"}
    return CliRunner().invoke(app, ["--store", str(place), *arguments], env=environment)


def lines(result: Result) -> list[dict[str, Any]]:
    """Return the JSON lines that were printed."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_log_says_what_changed(place: Path) -> None:
    """With --limit, or when asked, each line says in a few words what changed."""
    shown = run(place, "log", "s", "--limit", "9").stdout.splitlines()
    assert "changed" in shown[0]
    for line, words in zip(
        shown[1:],
        [
            "undeleted",
            "deleted",
            "artifacts added",
            "run_records added, +1 run, +1 run event",
            "1 message changed, +1 message, state Active→Error, n",
            "session added, +2 messages",
        ],
        strict=True,
    ):
        assert f"  {words}  " in line
    assert "changed" not in run(place, "log", "s").stdout
    assert "changed" not in run(place, "log", "s", "--limit", "2", "--no-changes").stdout
    rows = lines(run(place, "log", "s", "--changes", "--json"))
    assert [row["changes"] for row in rows][:2] == ["undeleted", "deleted"]


def test_log_goes_on_where_a_page_ended(place: Path) -> None:
    """The cursor that one page tells continues it, in either direction, until there is no more."""
    for options, expected in (((), [6, 5, 4, 3, 2, 1]), (("--oldest-first",), [1, 2, 3, 4, 5, 6])):
        seen: list[int] = []
        more: tuple[str, ...] = ()
        while True:
            result = run(place, "log", "s", "--limit", "4", "--json", *options, *more)
            seen += [row["version"] for row in lines(result)]
            if not result.stderr:
                break
            more = ("--after", result.stderr.split()[-1])
        assert seen == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--actor", "ann"), [5, 4, 1]),
        (("--kind", "delete"), [5]),
        (("--since", "2027-01-15T08:00:06Z", "--actor", "bob"), [6, 3]),
        (("--until", "2027-01-15T08:00:04Z"), [2, 1]),
        (("--part", "session", "--oldest-first"), [1, 2, 6]),
    ],
)
def test_log_filters(place: Path, options: tuple[str, ...], expected: list[int]) -> None:
    """The filters of the library are options of the same name."""
    shown = [row["version"] for row in lines(run(place, "log", "s", "--json", *options))]
    assert shown == expected


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("log", "s", "--kind", "saved"), 2, "kinds are"),
        (("log", "s", "--since", "soon"), 2, "2 hours ago"),
        (("log", "s", "--after", "x"), 2, "next"),
        (("diff", "s@1", "s@9"), 1, "versions are 1 to 6"),
        (("diff", "s@1"), 1, "first version"),
        (("diff", "s@1", "nope"), 1, "no session nope"),
        (("diff", "s@1", "s@2", "--part", "mine"), 2, "parts are session"),
        (("diff", "s@1", "s@2", "--first", "--patch"), 2, "three different things"),
        (("replay", "nope"), 1, "no session nope"),
        (("show", "s@2 years ago"), 1, "'2 years ago' names no version: write 17"),
        (("show", "s@"), 1, "there is s, but '' names no version"),
        (("show", "nope@x"), 1, "no session nope@x in this store"),
        (("replay", "s", "--start", "4", "--stop", "3"), 2, "swap start and stop"),
        (("replay", "s", "--speed", "fast"), 2, "a speed such as 10x"),
        (("replay", "s", "--speed", "0x"), 2, "a speed such as 10x"),
        (("replay", "s", "--step"), 2, "needs a terminal"),
    ],
)
def test_bad_questions_are_one_line(
    place: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    """What cannot be answered is said in one line that says what could be."""
    result = run(place, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert reason in result.stderr and result.stderr.count("\n") == 1


def test_a_version_is_named_by_how_long_ago_it_was(place: Path) -> None:
    """`ID@2 hours ago` is a version, unless it is an id."""
    result = run(place, "cat", "s@2 hours ago")
    assert result.exit_code == 1 and "before the first version" in result.stderr


def test_diff_shows_what_was_edited(place: Path) -> None:
    """People see marks around the words of messages, both values of fields, no control codes."""
    shown = run(place, "diff", "s@1", "s@2").stdout.splitlines()
    assert shown == [
        "s@1 to s@2: 1 message changed, +1 message, state Active→Error, n",
        '~ state: "Active" → "Error"',
        r"~ message 1 (user): run make{+\u001b[2J+} [-clean-]{+dist+}",
        "+ message 3 (user): done",
        "~ n: 1.0 → 1",
    ]
    assert run(place, "diff", "s@2").stdout.splitlines() == shown
    assert run(place, "diff", "s@3", "s@3").stdout.splitlines() == ["s@3 to s@3: nothing"]
    runs = run(place, "diff", "s@2", "s@4").stdout
    assert "+ run event 1 of r: {" in runs and "+ run_records.0: {" in runs


def test_diff_for_programs(place: Path) -> None:
    """The patch makes the one the other, and events and summary are JSON with exact numbers."""
    patch = json.loads(run(place, "diff", "s@1", "s@2", "--patch").stdout)
    with EventStore.open(place, model=dict) as store:
        assert apply_patch(store.load("s", at=1), patch) == store.load("s", at=2)
    summary = json.loads(run(place, "diff", "s@1", "s@2", "--summary").stdout)
    assert summary.keys() == {"state", "messages", "n"}
    events = run(place, "diff", "s@1", "s@2", "--json").stdout
    assert '"path":"/n","index":null,"run":null,"before":1.0,"after":1}' in events
    assert [json.loads(line)["kind"] for line in events.splitlines()] == [
        "field changed",
        "message changed",
        "message added",
        "field changed",
    ]


def test_the_first_divergence_of_two_sessions(place: Path) -> None:
    """Both sides are shown where they differ first; where they do not, that is said."""
    assert run(place, "diff", "s@2", "f", "--first").stdout.splitlines() == [
        "first divergence: message at /messages/1 of part session",
        "s@2: * message 2 (user): ok",
        "f@1: * message 2 (user): no",
    ]
    assert (
        run(place, "diff", "s@1", "s@2", "--first")
        .stdout.splitlines()[0]
        .endswith("message at /messages/0 of part session")
    )
    assert "do not diverge" in run(place, "diff", "s", "s", "--first").stdout
    (record,) = lines(run(place, "diff", "s@2", "f", "--first", "--json"))
    assert (record["diverges"], record["path"]) == (True, "/messages/1")
    assert record["before"] == said("ok")[0]
    assert lines(run(place, "diff", "s", "s", "--first", "--json")) == [{"diverges": False}]
    with EventStore.open(place, model=dict) as store:
        store.save({"id": "g", "messages": said("run make\x1b[2J dist", "ok")})
    assert run(place, "diff", "s@2", "g", "--first").stdout.splitlines()[2] == "g@1: ends here"


def test_replay_tells_every_version(place: Path) -> None:
    """Each version has a heading with its time and actor, and its events below."""
    shown = run(place, "replay", "s").stdout.splitlines()
    headings = [line for line in shown if line.startswith("version")]
    assert headings[0] == "version 1, 2027-01-15T08:00:02+00:00, ann"
    assert len(headings) == 6
    assert "  * session deleted" in shown and "  * session undeleted" in shown
    assert "  + message 3 (user): done" in shown
    some = run(place, "replay", "s@3", "--start", "2").stdout.splitlines()
    assert [line.split(",")[0] for line in some if line.startswith("v")] == [
        "version 2",
        "version 3",
    ]
    rows = lines(run(place, "replay", "s", "--stop", "2", "--json"))
    assert [row["version"] for row in rows] == [1, 1, 1, 2, 2, 2, 2]
    assert rows[3]["before"] == "Active"


def test_replay_waits_as_long_as_it_took(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --speed the pauses between versions are kept, so much shorter and never too long."""
    for speed, expected in (("10x", 0.2), ("1", 2.0), ("0.1x", 5.0), ("2.5x", 0.8)):
        clock = Clock()
        monkeypatch.setattr(replay_room, "time", clock)
        result = run(place, "replay", "s@4", "--speed", speed)
        assert result.exit_code == 0
        assert clock.slept == [pytest.approx(expected)] * 3
    clock = Clock()
    monkeypatch.setattr(replay_room, "time", clock)
    assert run(place, "replay", "s").exit_code == 0 and not clock.slept


def test_replay_steps_key_by_key(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --step a key is waited for before each version but the first."""
    pauses: list[Any] = []
    monkeypatch.setattr(replay_room.click, "pause", lambda *args, **_: pauses.append(args))
    monkeypatch.setattr(replay_room, "_is_terminal", lambda: True)
    assert run(place, "replay", "s", "--step").exit_code == 0
    assert len(pauses) == 5
