"""Real sessions told, compared and searched: the longest one, and one in which an agent erred."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from eventstore import EventStore, Fold, apply_patch
from eventstore.cli.app import app
from eventstore.interchange.importer import import_paths
from tests.corpus.test_claude_code import corpus_file

LONGEST = "entire-66ad9d7461"
MISTAKEN = "entire-60e2316a8a"
"""A session in which an agent fixes how text is cut, and writes tests that expect the wrong cut."""

EDITED = 200
HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "find-a-mistake.md"


@pytest.fixture(scope="module")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EventStore, str]]:
    """A store with the longest session, and a fork of it that is edited in the middle."""
    shared = Path(__file__).resolve().parents[2].parent / "shared"
    path = corpus_file(shared, LONGEST)
    with EventStore.open("memory://", model=dict) as store:
        (id,) = import_paths(store, [path]).sessions
        fork = store.load(id)
        fork["id"] = "fork"
        fork["messages"][EDITED]["content"][0] = {"type": "text", "text": "edited"}
        store.save(fork)
        yield store, id


def seconds(call: Callable[[], Any]) -> float:
    """Return the shortest of some times that a call took."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def test_the_longest_session_folds_to_every_state(longest: tuple[EventStore, str]) -> None:
    """The events of all 397 versions, and of some from the middle on, lead to the exact bytes."""
    store, id = longest
    fold, versions = Fold(), 0
    for version, events in groupby(store.replay(id), key=lambda event: event.version):
        for event in events:
            fold.apply(event)
        versions += 1
        assert fold.state("session") == store.load_bytes(id, at=version)
    assert versions == version == 397
    for start in (2, 150, 397):
        fold = Fold({"session": store.load_bytes(id, at=start - 1) or b""})
        for event in store.replay(id, start):
            fold.apply(event)
        assert fold.state("session") == store.load_bytes(id)


def test_the_longest_session_and_its_fork_diverge_where_it_was_edited(
    longest: tuple[EventStore, str],
) -> None:
    """The edited message is found both ways, in less than five times what two loads take."""
    store, id = longest
    for a, b in ((id, "fork"), ("fork", id)):
        found = store.first_divergence(a, b)
        assert found is not None
        assert (found.subject, found.path) == ("message", ("messages", EDITED))
        both = json.loads(found.before or ""), json.loads(found.after or "")
        assert [message["content"][0]["type"] == "text" for message in both] == [
            a == "fork",
            b == "fork",
        ]
        loads = seconds(lambda: (store.load(id), store.load("fork")))
        assert seconds(lambda a=a, b=b: store.first_divergence(a, b)) < 5 * loads


def test_patches_lead_from_any_version_to_any_other(longest: tuple[EventStore, str]) -> None:
    """Near and far, forwards and backwards, and to the fork, the patch makes the one the other."""
    store, id = longest
    for one, other in ((1, 397), (397, 1), (12, 17), (250, 130), (396, 397)):
        diff = store.diff(id, one, other)
        assert apply_patch(store.load(id, at=one), diff.patch()) == store.load(id, at=other)
    diff = store.diff(id, 397, other="fork")
    assert len(diff.patch()) < 5
    assert diff.in_few_words() == "1 message changed, id"


def run(place: Path, *arguments: str) -> str:
    """Run the command and return what it prints."""
    result = CliRunner().invoke(app, ["--store", str(place), *arguments], env={"TZ": "UTC"})
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_how_to_prints_what_it_says_of_a_real_session(shared: Path, tmp_path: Path) -> None:
    """Every command of its last section, in order; `…` stands for anything."""
    place = tmp_path / "store"
    with EventStore.open(place, durability="unsafe_os") as store:
        (id,) = import_paths(store, [corpus_file(shared, MISTAKEN)]).sessions
    blocks = re.findall(r"^```console\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    told = "".join(blocks).replace("$ID", id).split("$ eventstore -s real/ ")[1:]
    assert len(told) == 5
    for one in told:
        command, _, expected = one.partition("\n")
        parts = (re.escape(part.strip()) for part in f"{expected}…".split("…"))
        assert re.match(r"\s*.*?\s*".join(parts), run(place, *command.split()), re.DOTALL), command


def test_the_commands_find_the_mistake_in_a_real_session(shared: Path, tmp_path: Path) -> None:
    """As the how-to does: the first error, what led there, the step that was wrong, its repair."""
    place = tmp_path / "store"
    with EventStore.open(place, durability="unsafe_os") as store:
        (id,) = import_paths(store, [corpus_file(shared, MISTAKEN)]).sessions
    history = run(place, "log", id, "--limit", "5", "--oldest-first").splitlines()
    assert "+1 message" in history[2]
    rows = run(place, "replay", id, "--json").splitlines()
    first = json.loads(next(row for row in rows if '"is_error":true' in row))
    assert (first["version"], first["kind"], first["path"]) == (49, "message added", "/messages/49")
    output = first["after"]["content"][0]["content"]
    assert 'TruncateRunes("你好世界", 5, "...") = "你好世界", want "你好..."' in output
    led = run(place, "replay", id, "--start", "45", "--stop", "48")
    assert "Tests and lint pass. Let me add unit tests" in led and "stringutil_test.go" in led
    assert "[Write]" in run(place, "diff", f"{id}@45", f"{id}@46")
    (wrong,) = [
        operation
        for operation in json.loads(run(place, "diff", f"{id}@46", "--patch"))
        if operation["path"] == "/messages/46"
    ]
    written = wrong["value"]["content"][1]["input"]["content"]
    # Four characters fit into five: the expectation is wrong, not the code.
    assert 'input:    "你好世界",\n\t\t\tmaxRunes: 5,' in written
    assert 'want:     "你好...",' in written
    repaired = run(place, "diff", f"{id}@49", f"{id}@50")
    assert "I miscounted the runes" in repaired
