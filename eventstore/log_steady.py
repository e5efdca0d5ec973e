"""Steadiness: offsets of a log that was replaced are never used on the one in its place.

A log is replaced by an equivalent rewriting while others read it: its commits and states stay,
their offsets do not. Whatever is done with offsets is done again if the log was replaced meanwhile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from eventstore.backend import Backend
from eventstore.errors import CorruptError, UnsupportedError

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class Steady(ABC):
    """A log that may be replaced, and notices; safe to use from several threads.

    A base and no part of a log: the two would refer to each other, and a log that nobody remembers
    would stay in memory until the garbage collector finds it.
    """

    def __init__(self, backend: Backend, session: str) -> None:
        """Watch the log of *session*."""
        self.session = session
        self._backend = backend
        self._epoch = 0

    @abstractmethod
    def _recognise(self) -> None:
        """Compare the log, which may have been replaced, with what is remembered of it.

        Forget that if it is another.
        """

    def _steadily(self, work: Callable[[int], _Result]) -> _Result:
        """Return what *work* gives of one and the same log, doing it again until it does.

        It is given the log's epoch, which is another for what may be another log.
        """
        while True:
            epoch = self._meet()
            try:
                result = work(epoch)
            except (CorruptError, UnsupportedError):
                if self._backend.epoch(self.session) == epoch:
                    raise
            else:
                if self._backend.epoch(self.session) == epoch:
                    return result

    def _meet(self) -> int:
        """Recognise the log that is there now, and return its epoch."""
        while True:
            epoch = self._backend.epoch(self.session)
            if not epoch and self._backend.size(self.session) is not None:
                epoch = self._backend.epoch(self.session)  # Asking for the size opened it.
            if epoch == self._epoch:
                return epoch
            self._recognise()
            # What was recognised may have been replaced since.
            if self._backend.epoch(self.session) == epoch:
                self._epoch = epoch


def steadily(
    method: Callable[Concatenate[Any, _Args], _Result],
) -> Callable[Concatenate[Any, _Args], _Result]:
    """Make a method of a log one that is done again where the log was replaced meanwhile."""

    def again(self: Any, /, *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        log: Steady = self
        return log._steadily(lambda _: method(self, *args, **kwargs))

    update_wrapper(again, method)
    return again
