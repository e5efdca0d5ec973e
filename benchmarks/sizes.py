"""Sizes: how much of everything, in the default run, a quick one and a full one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What the workloads count to."""

    turns: tuple[int, ...] = (10, 100, 500, 2000)
    whole_max: int = 500
    """In longer sessions, peers that serialise all of the state join late or not at all."""
    save_seconds: float = 15.0
    """A peer whose saves of one session, or of all real ones, have taken so long leaves."""
    grown: int = 500
    """Turns of the session that *history*, *reopen*, *stages* and the figures ask of."""
    long: int = 2000
    """Turns of the session that is compared with short ones."""
    loads: int = 41
    reopens: int = 7
    many: int = 10_000
    block: int = 250
    many_seconds: float = 6.0
    """A peer that has saved for so long has saved enough sessions."""
    threads: tuple[int, ...] = (1, 8)
    listed: tuple[int, ...] = (1_000, 100_000)
    lists: int = 200
    records: int = 100
    """Run records in *nested*, each of `events` events."""
    events: int = 100
    nested_saves: int = 60
    corpus_states_max: int = 0
    """States of each real session, 0 for all of them."""


DEFAULT = Sizes()

FULL = Sizes(listed=(1_000, 100_000, 1_000_000))

QUICK = Sizes(
    turns=(10, 100),
    whole_max=100,
    grown=100,
    long=200,
    loads=5,
    reopens=3,
    many=400,
    block=50,
    many_seconds=2.0,
    listed=(1_000,),
    lists=30,
    records=20,
    events=20,
    nested_saves=20,
    corpus_states_max=20,
)
