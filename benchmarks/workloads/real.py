"""*real*: every session of the corpus, saved state by state; and imported by our importers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.context import Context
from benchmarks.corpus import Replay, read_all
from benchmarks.peer import Peer, WrongAnswerError, bytes_below, check
from benchmarks.peers import OURS_DICT
from benchmarks.quartiles import Times, microseconds, ratio
from benchmarks.rounds import save_in_rounds
from eventstore import EventStore
from eventstore.interchange.importer import import_paths

IMPORTED = "eventstore-import"
_ROUND = 1_000_000
"""More than a session has states, so that rounds of all sessions have numbers of their own."""


def run(context: Context) -> dict[str, Any]:
    """Replay the corpus with every peer that takes plain JSON, in one folder for each."""
    replays = read_all(context.corpus, context.sizes.corpus_states_max)
    if not replays:
        return {"skipped": "the folder of real sessions is not here"}
    times: dict[str, Times] = {}
    spent: Counter[str] = Counter()
    with context.scratch("real") as folder:
        with context.opened(folder, _is_wanted) as peers:
            for index, replay in enumerate(replays):
                found = _replayed(context, peers, replay, spent)
                for name, own in found.items():
                    shifted = {index * _ROUND + number: time for number, time in own.items()}
                    times.setdefault(name, {}).update(shifted)
        sound = context.sound(peers)
        sizes = {peer.name: peer.size(folder / peer.name) for peer in sound}
        sizes[IMPORTED] = import_size(folder / "import", replays)
    return {
        "sessions": len(replays),
        "states": sum(len(replay.states) for replay in replays),
        "save": {
            name: microseconds(own) | {"ours_to_it": ratio(times[OURS_DICT], own)}
            for name, own in times.items()
            if own and name not in context.left
        },
        "bytes": sizes,
        "last_bytes": sum(replay.last_size for replay in replays),
    }


def import_size(folder: Path, replays: list[Replay]) -> int:
    """Import transcripts, save the other sessions state by state, and return the store's bytes.

    Every state is loaded again and compared.
    """
    folder.mkdir()
    with EventStore.open(folder / "store", model=dict) as store:
        for replay in replays:
            if replay.can_be_imported:
                import_paths(store, [replay.path])
                continue
            for turn in replay.turns():
                store.save(turn.document)
        for replay in replays:
            for number in range(len(replay.states)):
                if store.load(replay.id, at=number + 1) != replay.expected(number):
                    raise WrongAnswerError(f"version {number + 1} of {replay.path.name}")
    return bytes_below(folder)


def _is_wanted(kind: type[Peer]) -> bool:
    """Whether a peer takes sessions of any program."""
    return not (kind.takes_model or kind.is_for_threads or kind.keeps == "nothing")


def _replayed(
    context: Context, peers: list[Peer], replay: Replay, spent: Counter[str]
) -> dict[str, Times]:
    """Save all states of one session and check the last; lists of messages can only grow."""
    able = peers if replay.only_grows else [peer for peer in peers if peer.is_general]
    times = save_in_rounds(context, context.sound(able), replay.turns(), spent=spent)
    last = replay.expected(len(replay.states) - 1)
    for peer in context.sound(able):
        with context.trying(peer):
            check(peer, peer.load(replay.id), last)
    return times


def lines(found: dict[str, Any]) -> list[str]:
    """Return the tables."""
    if "skipped" in found:
        return [f"real: skipped, {found['skipped']}"]
    title = f"real, {found['states']} states of {found['sessions']} sessions, save of plain dicts"
    said = table.against_ours(title, found["save"])
    title = "real, bytes on disk of all histories / last states as compact JSON"
    return said + table.sizes(title, found["bytes"], found["last_bytes"])
