"""The end of a log after a crash or damage: which entry is the last, and what the rest is.

The first bad frame decides. Where something states that the log was durable beyond it, the bytes
were acknowledged and are damaged; otherwise a crash tore them, and nobody was promised them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eventstore.log_frames import Entry, LogFrames, Survey


@dataclass(frozen=True, slots=True)
class Tail:
    """How a log ends: its last sound `entry` that counts, beyond where the search began.

    `damaged_from` is the offset of the first damaged acknowledged byte, or None where whatever
    follows the entry was never acknowledged; `sound_before` is the last version below it.
    """

    entry: Entry | None
    damaged_from: int | None
    sound_before: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a log from outside: it had *version* as *commit*, durable to *settled*."""

    version: int = 0
    commit: str = ""
    settled: int = 0


def find_tail(
    frames: LogFrames, last: Entry | None, *, size: int, acknowledged: Callable[[Survey], int]
) -> Tail:
    """Walk a log of *size* bytes from the entry known last, or its beginning, to its end.

    *acknowledged* says up to which offset the log is known, from elsewhere, to have been durable,
    given what the walk found.
    """
    survey = frames.survey(last, size)
    below = {seq: at for seq, at in survey.positions.items() if at < survey.end}
    newest = max(below.values(), default=None)
    damaged = max(survey.witness, acknowledged(survey)) > survey.end
    if damaged:
        # What stands behind the damage is sound all the same.
        newest = max(survey.positions.values(), default=None)
    return Tail(
        entry=None if newest is None else frames.entry(newest),
        damaged_from=survey.end if damaged else None,
        sound_before=max(below, default=0),
    )
