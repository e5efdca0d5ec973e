"""Bits flipped at rest: what is damaged is named, everything else is right.

The end of the newest frame is all that says it was ever acknowledged, unless the index does; where
it is damaged and there is no index, the version passes for a torn tail (`docs/promises.md`).
"""

from __future__ import annotations

from random import Random

from eventstore import CorruptError, EventStore, EventStoreError, UnsupportedError
from eventstore.testing import SimDisk, SimFs
from tests.crash.oracle import Promises
from tests.crash.recovery import log_place, opened


def broken_by_flip(
    image: dict[str, bytes | None], session: str, promises: Promises, random: Random
) -> str | None:
    """Flip one bit of a log in *image*; return what is wrong with what is said of it, if any."""
    data = image.get(log_place(session))
    if not data:
        return None
    with opened(SimFs(SimDisk(image))) as store:
        # What stands behind the newest frame was never acknowledged.
        log = store._catalog.log(session)
        log.head()
        ends = [0, *(v.stored for v in [*store.history(session)][::-1])]
    if not log.end:
        return None
    bit = random.randrange(log.end * 8)
    image[log_place(session)] = flipped(data, bit)
    version, end = 0, 0
    while end <= bit // 8:
        version += 1
        end += ends[version]
    with opened(SimFs(SimDisk(image))) as store:
        return _broken(store, session, promises, version, len(ends) - 1)


def flipped(data: bytes, bit: int) -> bytes:
    """Return *data* with one bit the other way."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _broken(
    store: EventStore, session: str, promises: Promises, version: int, newest: int
) -> str | None:
    """Return what is wrong, where the frame of *version* is damaged and there are *newest*."""
    for number in range(1, newest + 1):
        try:
            seen = store.version(session, at=number)
            if seen is None:
                return None if version == newest == 1 else "a damaged log is called empty"
            states = {p: store.load_bytes(session, p, at=number) for p in seen.parts}
        except (CorruptError, UnsupportedError) as error:
            if error.session != session:
                return f"damage in version {version} is not named: {error!r}"
            if number < version:
                return f"damage in version {version} hides version {number}"
            continue
        except EventStoreError as error:
            if version == newest == number:
                continue  # It passes for a torn tail, and there is no such version.
            return f"damage in version {version} is another error at {number}: {error!r}"
        known = promises.known.get(seen.commit)
        if known is None or known != states:
            return f"damage in version {version} makes version {number} another"
        if number == version:
            return f"damage in version {version} goes unnoticed"
    return None
