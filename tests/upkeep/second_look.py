"""What the second reader, which shares no code with the package, finds in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore import CorruptError, ErasedError
from tests.crash.stores import opened_fast
from tests.second_reader import LOST, read_log


def check_alike(directory: Path) -> tuple[int, int]:
    """Check that both readers find the same in every log, down to what is lost.

    Return how many versions are lost, and how many states of others.
    """
    versions = states = 0
    with opened_fast(directory) as store:
        for path in sorted(directory.glob("logs/??/*.log")):
            log = read_log(path.read_bytes())
            there = {version.seq: version for version in log.versions}
            for seq in range(1, log.versions[-1].seq + 1):
                if seq not in there:
                    versions += 1
                    with pytest.raises(CorruptError):
                        store.version(log.session, seq)
                    continue
                assert store.version(log.session, seq).commit == there[seq].id, seq
                for part, state in there[seq].parts.items():
                    if state is LOST:
                        states += 1
                        with pytest.raises(CorruptError):
                            store.load_bytes(log.session, part, at=seq)
                    elif state is None:
                        with pytest.raises(ErasedError):
                            store.load_bytes(log.session, part, at=seq)
                    else:
                        assert store.load_bytes(log.session, part, at=seq) == state, (seq, part)
    return versions, states
