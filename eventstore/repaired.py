"""What a repair did, or would do: for one log, and for all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RepairedLog:
    """What was done to one log, or would be: its state `before`, the steps `done`, and `after`.

    `lost` are runs of versions that are gone, `states` runs of versions whose state of a part is.
    `healed` counts frames that were put right. `kept` is where the original is. A log that cannot
    be repaired is left as it is, and `error` says why.
    """

    session: str
    before: str
    after: str
    done: tuple[str, ...] = ()
    lost: tuple[tuple[int, int], ...] = ()
    states: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()
    healed: int = 0
    kept: str = ""
    error: str = ""
    next: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RepairedFormat:
    """What was `wrong` with `format.json`, and that it was written anew, or would be.

    `store` is the id of the store, found in `source`; without a source it is a new one, empty
    until it is `applied`. `kept` is where the original is.
    """

    wrong: str
    store: str
    source: str
    kept: str = ""
    applied: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was done to the logs that were looked at, or would be; `index` is what was wrong there.

    The index is made anew by itself.
    """

    logs: tuple[RepairedLog, ...]
    applied: bool
    index: str = ""

    @property
    def hurt(self) -> tuple[RepairedLog, ...]:
        """The logs that there was something to do about."""
        return tuple(log for log in self.logs if log.done or log.error)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it: only of logs that there was something to do about."""
        logs = [log.as_dict() for log in self.hurt]
        return {
            "applied": self.applied,
            "looked_at": len(self.logs),
            "index": self.index,
            "logs": logs,
        }
