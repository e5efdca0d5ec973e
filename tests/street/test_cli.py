"""The commands, each asked what a user would ask of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eventstore.address import address_of
from eventstore.cli.app import app
from eventstore.store import EventStore

HOSTILE_IDS = [
    "a\nb",
    "me@example.org",
    "x@17",
    "\U0001f680",
    "-1",
    "--json",
    "a/../b",
    "\x1b[2J",
    "abc\u202ecba",
    " ",
    '"quoted"',
    "tab\there",
]


def document(session: str, *texts: str, **fields: Any) -> dict[str, Any]:
    """Return a session whose messages say *texts*."""
    messages = [{"role": "user", "content": [{"type": "text", "text": t}]} for t in texts]
    return {"id": session, "state": "Active", "messages": messages, **fields}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a store that holds session `s` in three versions and `t`, deleted."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for count in range(1, 4):
            texts = [f"text {i}" for i in range(count)]
            store.save(
                document("s", *texts, config={"name": "N"}), actor="me", note=f"turn {count}"
            )
        store.save_artifacts("s", {"artifacts": []})
        store.save(document("t", "gone"))
        store.delete("t")
    return tmp_path / "store"


def run(place: Path | None, *arguments: str) -> Result:
    """Run the command on a store."""
    where = () if place is None else ("--store", str(place))
    return CliRunner().invoke(app, [*where, *arguments], env={"EVENTSTORE_STORE": "", "TZ": "UTC"})


def lines(result: Result) -> list[dict[str, Any]]:
    """Return the JSON lines that were printed."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_ls_lists_live_sessions_and_with_all_deleted_ones(place: Path) -> None:
    """A deleted session is listed only when asked for, and marked as deleted."""
    assert [row["id"] for row in lines(run(place, "ls", "--json"))] == ["s"]
    everything = lines(run(place, "ls", "--all", "--json", "--order-by", "id"))
    assert [(row["id"], row["deleted"]) for row in everything] == [("s", False), ("t", True)]
    assert "deleted" in run(place, "ls", "--all").stdout


def test_ls_pages_through_everything(tmp_path: Path) -> None:
    """Without a limit every session is listed once, in order, however many pages there are."""
    with EventStore.open(tmp_path / "many", model=dict, durability="unsafe_os") as store:
        for i in range(1050):
            store.save({"id": f"{i:04}"})
            if i % 3 == 0:
                store.delete(f"{i:04}")
    place = tmp_path / "many"
    listed = lines(run(place, "ls", "--json", "--all", "--order-by", "id"))
    assert [row["id"] for row in listed] == [f"{i:04}" for i in range(1050)]
    newest = lines(run(place, "ls", "--json", "--all", "--order-by", "saved_at", "--limit", "700"))
    times = [row["saved_at"] for row in newest]
    assert len(times) == 700
    assert times == sorted(times, reverse=True)
    assert len(run(place, "ls").stdout.splitlines()) == 1 + 700


def test_ls_filters(tmp_path: Path) -> None:
    """State and parent choose; an unknown order is a usage error."""
    place = tmp_path / "store"
    with EventStore.open(place, model=dict) as store:
        store.save(document("a", parent_id="p"))
        store.save(document("b", state="Paused"))
    assert [r["id"] for r in lines(run(place, "ls", "--json", "--state", "Paused"))] == ["b"]
    assert [r["id"] for r in lines(run(place, "ls", "--json", "--parent", "p"))] == ["a"]
    assert run(place, "ls", "--order-by", "luck").exit_code == 2


def test_log_shows_every_version_with_its_whole_address(place: Path) -> None:
    """One line a version, newest first, each with 64 hex digits."""
    shown = run(place, "log", "s").stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["version", "4", "3", "2", "1"]
    with EventStore.open(place, model=dict, create=False) as store:
        for line, version in zip(shown[1:], store.history("s"), strict=True):
            assert f"b3:{version.address}" in line.split()


def test_log_of_a_part_reversed_limited_and_from_a_version(place: Path) -> None:
    """The options of `log` choose which versions are printed, and in which order."""

    def versions(*options: str) -> list[int]:
        return [row["version"] for row in lines(run(place, "log", "s", "--json", *options))]

    assert versions("--part", "artifacts") == [4]
    assert versions("--oldest-first") == [1, 2, 3, 4]
    assert versions("--limit", "2") == [4, 3]
    assert versions("--limit", "2", "--oldest-first") == [1, 2]
    older = lines(run(place, "log", "s@2", "--json"))
    assert [row["version"] for row in older] == [2, 1]
    missing = run(place, "log", "s", "--part", "nope")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "artifacts" in missing.stderr


def test_cat_prints_the_exact_bytes_of_each_version(place: Path) -> None:
    """Hashing what `cat` prints gives the address that `log` prints."""
    for row in lines(run(place, "log", "s", "--json")):
        printed = run(place, "cat", f"s@{row['version']}").stdout_bytes
        assert address_of(printed) == row["parts"]["session"]["address"]
    assert run(place, "cat", "s", "--part", "artifacts").stdout == '{"artifacts":[]}'


@pytest.mark.parametrize("selector", ["2", "-2", "b3", "time"])
def test_a_version_can_be_named_by_number_address_or_time(place: Path, selector: str) -> None:
    """All spellings of a version reach the same state."""
    row = lines(run(place, "log", "s@2", "--json"))[0]
    spelled = {"b3": "b3:" + row["parts"]["session"]["address"][:20], "time": row["saved_at"]}
    printed = run(place, "cat", f"s@{spelled.get(selector, selector)}").stdout_bytes
    assert address_of(printed) == row["parts"]["session"]["address"]


def test_cat_as_json_keeps_the_state_as_spelled(tmp_path: Path) -> None:
    """The state inside the document is byte for byte the state."""
    state = '{"id":"n","a":1.0,"b":1e22,"é":"\\u00e9"}'.encode()
    with EventStore.open(tmp_path / "store") as store:
        store.save_states("n", {"session": state})
    printed = run(tmp_path / "store", "cat", "n", "--json").stdout_bytes
    assert b'"state":' + state + b"}\n" in printed
    assert json.loads(printed)["version"] == 1


def test_cat_pretty_is_for_people(place: Path) -> None:
    """The laid-out form is the same value, on lines."""
    pretty = run(place, "cat", "s@1", "--pretty").stdout
    assert json.loads(pretty) == document("s", "text 0", config={"name": "N"})
    assert pretty.startswith('{\n  "id": "s",\n')


@pytest.mark.parametrize(
    "arguments",
    [
        ("cat", "nope"),
        ("cat", "s@9"),
        ("cat", "s@0"),
        ("cat", "s@b3:ffffffffffff"),
        ("show", "s@-9"),
        ("cat", "s@2001-01-01"),
        ("cat", "s", "--part", "nope"),
        ("log", "nope"),
        ("show", "nope@1"),
        ("cat", "t"),
        ("show", "t"),
        ("rm", "nope"),
        ("rm", "t"),
        ("undelete", "nope"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(place: Path, arguments: tuple[str, ...]) -> None:
    """A missing session, version or part exits 1 with one line, and prints nothing else."""
    result = run(place, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("eventstore: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("ls",),
        ("log", "x"),
        ("show", "x"),
        ("cat", "x"),
        ("stats",),
        ("rm", "x"),
        ("undelete", "x"),
        ("export", "--to", "there"),
    ],
)
def test_looking_never_makes_a_store(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A store that is not there is a usage error, and it is still not there afterwards."""
    result = run(tmp_path / "none", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("ls",), ("nonsense",), ("ls", "--nonsense"), ("cat",), ("cat", "s", "t")]
)
def test_a_usage_error_is_one_line(arguments: tuple[str, ...]) -> None:
    """What was not understood exits 2 and says where help is."""
    result = run(None, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("eventstore: ")
    assert "--help" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_store_can_be_said_in_three_ways(place: Path) -> None:
    """Before the command, after it, or in the environment; after it counts most."""
    runner = CliRunner()
    said = {"EVENTSTORE_STORE": str(place)}
    assert runner.invoke(app, ["stats"], env=said).exit_code == 0
    assert runner.invoke(app, ["stats", "-s", str(place)], env={}).exit_code == 0
    wrong = {"EVENTSTORE_STORE": str(place / "wrong")}
    assert runner.invoke(app, ["stats", "-s", str(place)], env=wrong).exit_code == 0


def test_rm_and_undelete(place: Path) -> None:
    """Deleting and bringing back are versions, with who and why; the state comes back."""
    before = run(place, "cat", "s").stdout_bytes
    deleted = run(place, "rm", "s", "nope", "--actor", "me", "--note", "why", "--json")
    assert deleted.exit_code == 1
    assert json.loads(deleted.stdout) == {"deleted": ["s"], "missing": ["nope"]}
    newest = lines(run(place, "log", "s", "--json", "--limit", "1"))[0]
    assert (newest["kind"], newest["actor"], newest["note"]) == ("delete", "me", "why")
    assert run(place, "cat", "s@-1").stdout_bytes == before
    assert lines(run(place, "ls", "--json")) == []
    assert lines(run(place, "undelete", "s", "--json"))[0]["undeleted"][0]["session"] == "s"
    assert run(place, "cat", "s").stdout_bytes == before


def test_show_sums_a_version_up(place: Path) -> None:
    """What a session says of itself, its parts, and its last messages where asked for."""
    facts = lines(run(place, "show", "s@3", "--json", "--messages", "1"))[0]
    assert (facts["name"], facts["state"], facts["messages"]) == ("N", "Active", 3)
    assert (facts["version"], facts["newest"], facts["note"]) == (3, 4, "turn 3")
    assert facts["last_messages"] == [{"number": 3, "role": "user", "length": 6, "text": "text 2"}]
    text = run(place, "show", "s", "--messages", "2").stdout
    assert "text 1" in text and "text 2" in text and "text 0" not in text
    assert f"b3:{address_of(run(place, 'cat', 's').stdout_bytes)}" in text


@pytest.mark.parametrize(
    "state",
    [
        "{}",
        "[]",
        "null",
        '"x"',
        '{"messages":3}',
        '{"messages":[1,null,"x",{},{"role":1}]}',
        '{"messages":[{"role":"a","content":"plain"},{"content":[{"type":"image"},[],{"type":"z"}]}]}',
    ],
)
def test_show_reads_any_shape_of_session(tmp_path: Path, state: str) -> None:
    """A session of a shape nobody foresaw is summed up as far as it goes."""
    with EventStore.open(tmp_path / "store") as store:
        store.save_states("odd", {"session": state.encode()})
    assert run(tmp_path / "store", "show", "odd", "--messages", "9").exit_code == 0
    assert run(tmp_path / "store", "show", "odd", "--messages", "9", "--json").exit_code == 0


def test_long_messages_are_cut_and_terminal_codes_defused(tmp_path: Path) -> None:
    """A person sees the beginning of a long text, and never a raw escape sequence."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save(document("s", "x" * 5000, "\x1b]0;title\x07", config={"name": "\x1b[2J"}))
    text = run(tmp_path / "store", "show", "s", "--messages", "2").stdout
    assert "3,000 more characters" in text
    assert "\x1b" not in text and "\x07" not in text
    assert "\x1b" not in run(tmp_path / "store", "ls").stdout


def test_stats_are_exact_as_json(place: Path) -> None:
    """The numbers for programs are those of the library."""
    with EventStore.open(place, model=dict, create=False) as store:
        found = store.stats()
    printed = lines(run(place, "stats", "--json"))[0]
    assert printed["versions"] == found.versions == 6
    assert printed["stored_bytes"] == found.stored_bytes
    assert printed["state_bytes"] == found.state_bytes
    assert "versions            6\n" in run(place, "stats").stdout


@pytest.mark.parametrize("session", HOSTILE_IDS)
def test_hostile_ids_are_found_and_shown_harmless(tmp_path: Path, session: str) -> None:
    """Whatever an id looks like, each command finds it, and no listing can be forged with it."""
    place = tmp_path / "store"
    with EventStore.open(place, model=dict) as store:
        store.save({"id": session, "messages": []})
    assert run(place, "cat", "--", session).exit_code == 0
    assert run(place, "cat", "--", f"{session}@1").exit_code == 0
    assert run(place, "log", "--json", "--", f"{session}@-0").exit_code == 1
    assert run(place, "show", "--", session).exit_code == 0
    assert lines(run(place, "ls", "--json"))[0]["id"] == session
    listing = run(place, "ls").stdout
    assert len(listing.splitlines()) == 2
    assert "\x1b" not in listing and "\u202e" not in listing
    assert lines(run(place, "rm", "--json", "--", session))[0]["deleted"] == [session]


@pytest.mark.parametrize("session", ["", "x" * 2000])
def test_an_impossible_id_is_a_usage_error(place: Path, session: str) -> None:
    """An id that no session can have exits 2 with one line."""
    result = run(place, "cat", session)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_demo_does_the_main_job() -> None:
    """The demo answers what the agent knew, proves it, compares bytes and says what to try."""
    told = run(None, "demo")
    assert told.exit_code == 0
    assert "version 7 knows of fixtures/" in told.stdout
    assert "as the log says" in told.stdout and "as a file per snapshot" in told.stdout
    assert len(told.stdout.splitlines()) <= 45
    facts = lines(run(None, "demo", "--json"))[0]
    assert facts["earlier"]["proven"] is True
    assert (facts["versions"], facts["earlier"]["version"]) == (14, 7)


def test_demo_keeps_its_store_where_asked_and_spoils_no_other(tmp_path: Path) -> None:
    """A kept store can be looked at; a store that holds sessions is not written to."""
    assert run(None, "demo", "--keep", str(tmp_path / "tour")).exit_code == 0
    assert len(lines(run(tmp_path / "tour", "log", "tidy-project", "--json"))) == 14
    again = run(None, "demo", "--keep", str(tmp_path / "tour"))
    assert (again.exit_code, again.stdout) == (2, "")
    assert len(lines(run(tmp_path / "tour", "log", "tidy-project", "--json"))) == 14


@pytest.mark.parametrize("command", [(), *((name,) for name in app.commands)])
def test_every_help_has_an_example(command: tuple[str, ...]) -> None:
    """`--help` exits 0, shows an example and fits 80 columns."""
    result = run(None, *command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_restore_fork_and_tree(place: Path) -> None:
    """An older version becomes the newest, a fork begins a session, the tree shows both."""
    done = run(place, "restore", "s@1", "--actor", "me", "--note", "why")
    assert (done.exit_code, done.stdout) == (0, "s is at version 5, which is as 1 was\n")
    (record,) = lines(run(place, "log", "s", "--limit", "1", "--json"))
    assert (record["kind"], record["ref"], record["actor"]) == ("restore", {"seq": 1}, "me")
    assert run(place, "fork", "s@2", "u").stdout == "u begins as s@2\n"
    (record,) = lines(run(place, "fork", "s", "v\n", "--rewrite-ids", "--json"))
    assert (record["session"], record["kind"]) == ("v\n", "fork")
    assert run(place, "tree").stdout.splitlines() == [
        "s N (7 versions)",
        "  u N (fork of version 2, 1 version)",
        '  "v\\n" N (fork of version 6, 1 version)',
        "t (2 versions, deleted)",
    ]
    assert run(place, "tree", "u").stdout == "u N (fork of s version 2, 1 version)\n"
    nodes = lines(run(place, "tree", "--json"))
    assert [(n["id"], n["depth"], n["above"], n["forked_at"]) for n in nodes] == [
        ("s", 0, None, None),
        ("u", 1, "s", 2),
        ("v\n", 1, "s", 6),
        ("t", 0, None, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("restore", "none@1"), 1, "no session"),
        (("restore", "s@9"), 1, "versions are 1 to 4"),
        (("restore", "t@2"), 2, "version 1 is the newest that has any part"),
        (("fork", "s", "t"), 1, "fork to an id that was never saved"),
        (("fork", "t", "u"), 1, "is deleted at version 2"),
        (("tree", "none"), 1, "no session"),
    ],
)
def test_going_on_from_what_is_not_there(
    place: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """What cannot be restored or forked is refused with what would be valid."""
    done = run(place, *arguments)
    assert (done.exit_code, message in done.stderr) == (code, True), done.stderr


def test_tail_prints_the_newest_commits_of_the_store(place: Path) -> None:
    """The newest commits of all sessions come oldest first, each with what was done."""
    found = lines(run(place, "tail", "--json"))
    expected = [*(("s", n) for n in range(1, 5)), ("t", 1), ("t", 2)]
    assert [(line["session"], line["version"]) for line in found] == expected
    assert [line["version"] for line in lines(run(place, "tail", "s", "-n", "2", "--json"))] == [
        3,
        4,
    ]
    texts = run(place, "tail", "-n", "1").stdout.splitlines()
    assert len(texts) == 1
    assert texts[0].split()[1:3] == ["t@2", "delete"]
    assert run(place, "tail", "-n", "0").stdout == ""


def test_tail_goes_on_at_a_cursor(place: Path) -> None:
    """A cursor printed by one run is where the next goes on; nothing is told twice."""
    found = lines(run(place, "tail", "--after", "0", "--json"))
    assert len(found) == 6
    rest = lines(run(place, "tail", "--after", found[3]["cursor"], "--json"))
    assert [line["commit"] for line in rest] == [line["commit"] for line in found[4:]]
    followed = run(place, "tail", "-f", "--wait", "0", "-n", "2")
    assert len(followed.stdout.splitlines()) == 2
    cursor = followed.stderr.split()[-1]
    with EventStore.open(place, model=dict) as store:
        store.save(document("new"))
    (line,) = run(place, "tail", "-f", "--wait", "0", "--after", cursor).stdout.splitlines()
    assert line.split()[1] == "new@1"


def test_tail_refuses_what_is_no_cursor(place: Path) -> None:
    """A cursor of another watch or of nothing is a mistake that is named."""
    for arguments in (("--after", "x"), ("s", "--after", "nonsense")):
        done = run(place, "tail", *arguments)
        assert (done.exit_code, "after:" in done.stderr) == (2, True)
    assert run(place, "tail", "none").exit_code == 1


def test_search_finds_what_was_said(place: Path) -> None:
    """A hit is told with session, version, message and role; nothing found is a failure."""
    done = run(place, "search", "text", "1")
    assert (done.exit_code, done.stdout) == (0, "s@4 message 2, user\n  text 1\n")
    (hit,) = lines(run(place, "search", "gone", "--all-versions", "--json"))
    assert (hit["session"], hit["version"], hit["first"]) == ("t", 1, 1)
    assert (hit["snippet"], hit["marks"]) == ("gone", [[0, 4]])
    assert len(lines(run(place, "search", "text", "--json", "--limit", "2"))) == 2
    assert lines(run(place, "search", "text", "--until", "2100-01-01", "--role", "user", "--json"))
    for arguments in (("gone",), ("text", "--since", "2100-01-01"), ("text", "--tool", "bash")):
        done = run(place, "search", *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr == "eventstore: nothing says that\n"


@pytest.mark.parametrize("arguments", [("*",), ("x", "--since", "soon"), ("x", "--limit", "0")])
def test_search_refuses_what_it_cannot_look_for(place: Path, arguments: tuple[str, ...]) -> None:
    """A search without a word, or with a time that is none, is a mistake."""
    assert run(place, "search", *arguments).exit_code == 2
