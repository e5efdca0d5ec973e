"""Steadiness: offsets of a log that was replaced are never used on the one in its place.

A log is replaced by an equivalent rewriting while others read it: its commits and states stay,
their offsets do not. Whatever is done with offsets is done again if the log was replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from eventstore.backend import Backend
from eventstore.errors import CorruptError, UnsupportedError

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class Steady:
    """Notices that a log may have been replaced; safe to use from several threads."""

    def __init__(self, backend: Backend, session: str, recognise: Callable[[], None]) -> None:
        """Watch the log of *session*.

        *recognise* is called when it may have been replaced, to compare it with what is
        remembered of it, and forget that if it is another.
        """
        self._backend = backend
        self._session = session
        self._recognise = recognise
        self._epoch = 0

    def call(self, work: Callable[[int], _Result]) -> _Result:
        """Return what *work* gives of one and the same log, doing it again until it does.

        It is given the log's epoch, which is another for what may be another log.
        """
        while True:
            epoch = self.meet()
            try:
                result = work(epoch)
            except (CorruptError, UnsupportedError):
                if self._backend.epoch(self._session) == epoch:
                    raise
            else:
                if self._backend.epoch(self._session) == epoch:
                    return result

    def meet(self) -> int:
        """Recognise the log that is there now, and return its epoch."""
        while True:
            epoch = self._backend.epoch(self._session)
            if not epoch and self._backend.size(self._session) is not None:
                epoch = self._backend.epoch(self._session)  # Asking for the size opened it.
            if epoch == self._epoch:
                return epoch
            self._recognise()
            # What was recognised may have been replaced since.
            if self._backend.epoch(self._session) == epoch:
                self._epoch = epoch


def steadily(
    method: Callable[Concatenate[Any, _Args], _Result],
) -> Callable[Concatenate[Any, _Args], _Result]:
    """Make a method of a log one that is done again where the log was replaced meanwhile."""

    def again(self: Any, /, *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        steady: Steady = self._steady
        return steady.call(lambda _: method(self, *args, **kwargs))

    update_wrapper(again, method)
    return again
