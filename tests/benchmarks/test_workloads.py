"""The benchmarks run, keep what they found in one form, and catch a peer that answers wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import page, peers, stages, workloads
from benchmarks.context import Context
from benchmarks.peer import WrongAnswerError
from benchmarks.peers import FILE, FILE_DICT, FLOOR, FLOOR_ZEROED, OURS, OURS_DICT
from benchmarks.peers.file_store import FileStoreDict, FileVersions
from benchmarks.peers.ours import Ours
from benchmarks.plot import plot_all
from benchmarks.results import Results
from benchmarks.sizes import Sizes
from benchmarks.workloads import listing

TINY = Sizes(
    turns=(4, 8),
    whole_max=8,
    grown=8,
    long=20,
    loads=3,
    reopens=2,
    many=8,
    block=4,
    threads=(1, 2),
    listed=(20,),
    lists=3,
    records=3,
    events=4,
    nested_saves=3,
    corpus_states_max=2,
)
PEERS = (OURS, OURS_DICT, FLOOR, FLOOR_ZEROED, FILE, FILE_DICT, "file-versions", "sqlite")

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def said() -> list[str]:
    """What a run prints."""
    return []


@pytest.fixture
def context(tmp_path: Path, said: list[str]) -> Context:
    """A run of everything that needs no package of its own, tiny, on made sessions and files."""
    return Context(tmp_path, PEERS, TINY, make_corpus(tmp_path / "corpus"), said.append)


def make_corpus(folder: Path) -> Path:
    """Write a session in each of two formats that the benchmarks read themselves."""
    told = [{"role": role, "content": f"{role} {at}"} for at, role in enumerate(["user"] * 6)]
    told[1]["role"] = told[3]["role"] = "assistant"
    events = [{"id": at, "source": "agent" if at % 2 else "user"} for at in range(6)]
    for name, value in {"one/a.traj.json": {"messages": told}, "two/b.json": events}.items():
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    return folder


def ratios(value: Any) -> list[dict[str, Any]]:
    """Return every ratio in some results."""
    if isinstance(value, dict):
        below = [found for item in value.values() for found in ratios(item)]
        return [value, *below] if "ratio" in value and "low" in value else below
    return [found for item in value for found in ratios(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", workloads.NAMES)
def test_a_workload_gives_ratios_with_quartiles(
    context: Context, said: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every workload measures, keeps JSON with ratios between their quartiles, and cleans up."""
    monkeypatch.setattr("benchmarks.figures.memory.measure", lambda context, turns: {"case": 2.0})
    before = set(context.directory.iterdir())
    module = workloads.workload(name)
    found = module.run(context)
    assert json.loads(json.dumps(found)) == found
    kept = ratios(found)
    assert kept
    for one in kept:
        assert 0 < one["low"] <= one["ratio"] <= one["high"]
        assert one["count"] >= 1
    assert len(module.lines(found)) > 1
    assert set(context.directory.iterdir()) == before
    assert not context.failed


def test_every_peer_that_can_is_in_every_table(context: Context) -> None:
    """The session that all peers save has a row for each of them, and bytes."""
    found = workloads.workload("grow").run(context)["8"]
    assert set(found["save"]) == set(PEERS)
    assert set(found["load"]) == set(found["reopen"]) == set(PEERS) - {FLOOR, FLOOR_ZEROED}
    assert set(found["history"]) == {OURS, OURS_DICT, "file-versions", "sqlite"}
    assert set(found["bytes"]) == set(PEERS)
    assert found["pretty_bytes"] > found["compact_bytes"]


class Forgetful(FileStoreDict):
    """A file store that loses the last message."""

    name = "forgetful"

    def load(self, id: str, number: int | None = None) -> Any:
        """Leave something out."""
        document = super().load(id, number)
        (document.get("messages") or document["run_records"]).pop()
        return document


class Muddled(FileVersions):
    """A store of versions that gives the newest, whatever is asked for."""

    name = "muddled"

    def load(self, id: str, number: int | None = None) -> Any:
        """Forget the number."""
        return super().load(id)


class Wrong(Ours):
    """A store of ours that loses the last message."""

    def load(self, id: str, number: int | None = None) -> Any:
        """Leave something out."""
        session = super().load(id, number)
        return session.model_copy(update={"messages": session.messages[:-1]})


def put(monkeypatch: pytest.MonkeyPatch, name: str, kind: type) -> None:
    """Make a class a peer."""
    monkeypatch.setitem(peers.PLACES, name, f"{__name__}:{kind.__name__}")


@pytest.mark.parametrize("name", ["grow", "real", "many", "nested"])
def test_a_peer_that_loses_something_is_out(
    context: Context, said: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a peer gives back is compared; one that is wrong is named and has failed."""
    put(monkeypatch, "forgetful", Forgetful)
    only = context.only(OURS, OURS_DICT, "forgetful")
    workloads.workload(name).run(only)
    assert only.failed.keys() == {"forgetful"}
    assert "WrongAnswerError" in only.failed["forgetful"]
    assert any("FAILED forgetful" in line for line in said)


@pytest.mark.parametrize("name", ["grow", "real"])
def test_a_peer_that_is_too_slow_leaves(context: Context, said: list[str], name: str) -> None:
    """A run does not wait for the slowest: who has taken too long is named and in no table."""
    hurried = replace(context, sizes=replace(TINY, save_seconds=0.0))
    found = workloads.workload(name).run(hurried)
    last = found["8"] if name == "grow" else found
    assert set(last["save"]) <= {OURS, OURS_DICT}
    assert any("sqlite too slow" in line for line in said)
    assert not hurried.failed


def test_a_peer_that_mixes_up_versions_is_out(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random versions are compared with what was saved then."""
    put(monkeypatch, "muddled", Muddled)
    only = context.only(OURS, "muddled")
    workloads.workload("grow").run(only)
    assert only.failed.keys() == {"muddled"}


def test_a_wrong_answer_of_ours_ends_the_workload(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is reported of a store that does not give back what was saved."""
    put(monkeypatch, OURS, Wrong)
    with pytest.raises(WrongAnswerError):
        workloads.workload("grow").run(context)


def test_lists_are_compared(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is not the one that SQL gives ends the workload."""
    monkeypatch.setattr(listing, "_QUERY", listing._QUERY.replace("DESC", "ASC"))
    with pytest.raises(WrongAnswerError):
        listing.run(context)


def run_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command on tiny sizes."""
    monkeypatch.setattr(command, "QUICK", TINY)
    return command.main([
        *arguments, "--quick", "--directory", str(tmp_path), "--corpus", str(tmp_path / "none"),
        "--results", str(tmp_path / "results.json"),
    ])  # fmt: skip


def test_results_say_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file has machine, versions, durability and peers; what cannot run has a reason."""
    chosen = ("--workloads", "stages,grow,real,many,nested,list", "--peers", ",".join(PEERS))
    assert run_command(tmp_path, monkeypatch, *chosen) == 0
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert {"format", "machine", "versions", "durability", "peers", "skipped"} < found.keys()
    assert {"cores", "file_system", "processor"} < found["machine"].keys()
    assert {"python", "sqlite", "zstandard"} < found["versions"].keys()
    assert set(found["peers"]) == set(PEERS)
    assert found["workloads"]["real"]["found"] == {
        "skipped": "the folder of real sessions is not here"
    }
    drawn = plot_all(tmp_path / "results.json", tmp_path / "plots")
    assert {path.name for path in drawn} >= {"grow.svg", "save.svg", "stages.svg", "list.svg"}
    for path in drawn:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("<svg") and text.rstrip().endswith("</svg>") and "nan" not in text


def test_a_run_can_be_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was measured by the same code, with the same sizes and peers, is not measured again."""
    chosen = ("--workloads", "nested", "--peers", f"{OURS},{FILE_DICT}", "--resume")
    assert run_command(tmp_path, monkeypatch, *chosen) == 0
    assert "== nested: kept" not in capsys.readouterr().out
    assert run_command(tmp_path, monkeypatch, *chosen) == 0
    assert "== nested: kept" in capsys.readouterr().out
    other = Results(tmp_path / "results.json", TINY, (OURS,))
    assert other.done("nested") is None


def test_a_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workload that fails makes the command fail, and stops no other."""
    put(monkeypatch, OURS, Wrong)
    chosen = ("--workloads", "grow,nested", "--peers", f"{OURS},{FILE_DICT}")
    assert run_command(tmp_path, monkeypatch, *chosen) == 1
    assert "FAILED grow: WrongAnswerError" in capsys.readouterr().out
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert "failed" in found["workloads"]["grow"]
    assert "found" in found["workloads"]["nested"]


def test_a_missing_peer_has_a_reason(
    context: Context, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer whose package is not there is skipped, and why is printed."""
    monkeypatch.setitem(peers.PLACES, "absent", "benchmarks.peers.no_such_module:Peer")
    only = context.only(OURS, "absent")
    workloads.workload("nested").run(only)
    assert "no_such_module" in only.missing["absent"]
    assert any(line.startswith("skipped absent") for line in said)


def test_stages_add_up_and_are_found(context: Context) -> None:
    """Every function that stages wrap is there, and nothing stays wrapped."""
    from eventstore.fs import OsFileSystem

    before = OsFileSystem.write_at
    found = stages.run(context)
    assert OsFileSystem.write_at is before
    for given in found["given"].values():
        assert given["not_found"] == []
        assert given["share"]["sync"][1] > 0
        assert given["share"]["serialise"][1] > 0
        assert min(share[0] for share in given["share"].values()) >= 0


def test_tables_say_what_results_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every place of a page is filled from the results, and filling it again changes nothing."""
    chosen = ("--workloads", "stages,grow,many,nested,list", "--peers", ",".join(PEERS))
    assert run_command(tmp_path, monkeypatch, *chosen) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    places = ("machine", "stages", "grow", "many", "nested", "list", "figures")
    text = "".join(f"<!-- {name} -->\nold\n<!-- end -->\n" for name in places)
    once = page.filled(text, results)
    assert "old" not in once
    assert once.count("Not measured.") == 1
    assert "| file-versions | " in once and "| zstandard | " in once
    assert page.filled(once, results) == once


def test_the_page_is_that_of_the_kept_results() -> None:
    """The tables of the documentation are those of the results in the repository."""
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    kept = root / "benchmarks" / "results" / "latest.json"
    assert page.filled(text, json.loads(kept.read_text(encoding="utf-8"))) == text
