"""Pruning: how many sessions are kept, for how long, and how often that is looked at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from eventstore.errors import InvalidInputError

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PruneConfig:
    """How many sessions to keep, and for how many hours after their last update; 0 is no limit."""

    max_sessions: int = 100
    ttl_hours: int = 168

    def __post_init__(self) -> None:
        """Refuse what is no count."""
        for field in fields(self):
            _check_count(field.name, getattr(self, field.name))


class PruneThrottle:
    """Lets one prune through, and the next only after a pause; safe to share between threads."""

    def __init__(
        self, cooldown_secs: int, *, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Pause for *cooldown_secs*, by a clock that never goes back."""
        _check_count("cooldown_secs", cooldown_secs)
        self._cooldown_ns = cooldown_secs * _SECOND
        self._clock_ns = clock_ns
        self._guard = threading.Lock()
        self._last_ns: int | None = None

    def should_prune(self) -> bool:
        """Whether it is time to prune; answering yes starts the next pause."""
        with self._guard:
            now_ns = self._clock_ns()
            if self._last_ns is not None and now_ns - self._last_ns < self._cooldown_ns:
                return False
            self._last_ns = now_ns
            return True


def _check_count(field: str, value: object) -> None:
    """Refuse anything but a whole number that is not negative."""
    if type(value) is not int or value < 0:
        raise InvalidInputError("is not a whole number of 0 or more", field=field)
