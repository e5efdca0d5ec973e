"""Comparing: two versions of the same session or of two."""

from __future__ import annotations

from eventstore.address import address_of
from eventstore.at import At
from eventstore.commit import SESSION, Version, check_part_name
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.difference import Difference, Divergence
from eventstore.errors import InvalidInputError
from eventstore.outline import Node, outline_of

Side = str | tuple[str, At]
"""A session at its newest version, or at another one."""

_SAME = Node("null")


class Compares(StoreBase):
    """What compares versions."""

    def diff(
        self,
        id: str,
        at: At | None = None,
        to: At | None = None,
        *,
        other: Side | None = None,
        part: str | None = None,
    ) -> Difference:
        """Return what leads from version *at* to version *to* (default: the newest).

        *other* is a session, or a session and a version, to compare with instead. Without *at*, it
        is the newest that is compared with *other*, or the one before the newest with the newest.
        All parts are compared, or only *part*. Raises `InvalidInputError`, `ErasedError`.
        """
        if to is not None and other is not None:
            raise InvalidInputError("is given with to=", field="other", hint="pass one of the two")
        if at is None and to is None and other is None:
            at = -1
        before = self._version(id, at)
        after = self._version(id, to) if other is None else self._side("other", other)
        return self._difference(before, after, part)

    def first_divergence(self, a: Side, b: Side, *, part: str | None = None) -> Divergence | None:
        """Return the first message at which two sessions differ, else the first run or trace event.

        Else the first field, but not the id. *a* and *b* are sessions, or sessions and versions.
        None if they do not differ.
        """
        before, after = self._side("a", a), self._side("b", b)
        return self._difference(before, after, part).first_divergence()

    def _side(self, field: str, side: Side) -> Version:
        """Return the version that one side of a comparison names."""
        if isinstance(side, str):
            return self._version(side, None, field)
        if not isinstance(side, tuple) or len(side) != 2:
            raise InvalidInputError(
                "names no version of a session",
                field=field,
                hint="pass an id, or an id and a version such as ('fix-login', 9)",
            )
        return self._version(side[0], side[1], field)

    def _difference(self, before: Version, after: Version, part: str | None) -> Difference:
        """Compare two versions, reading only states that have different addresses."""
        names = sorted(before.parts.keys() | after.parts.keys(), key=lambda n: (n != SESSION, n))
        if part is not None:
            if check_part_name(part) not in names:
                raise InvalidInputError(
                    f"neither version has a part {part!r}",
                    session=before.session,
                    field="part",
                    hint=f"parts are {', '.join(names) or 'none'}",
                )
            names = [part]
        return Difference(before, after, {name: self._pair(name, before, after) for name in names})

    def _pair(self, part: str, before: Version, after: Version) -> tuple[Node | None, Node | None]:
        """Return both states of a part; the same stand-in twice if they have one address."""
        sides = before.parts.get(part), after.parts.get(part)
        if sides[0] is not None and sides[1] is not None and sides[0].address == sides[1].address:
            return _SAME, _SAME
        return self._node(part, before), self._node(part, after)

    def _node(self, part: str, version: Version) -> Node | None:
        """Return a state as an outline; None if there is none."""
        stored = version.parts.get(part)
        if stored is None:
            return None
        log, state = self._log(version.session), None
        if log.newest_sound() == version.version and log.damage is None:
            state = log.state(part)  # It may be in memory, and not the newest any more.
        if state is None or address_of(state) != stored.address:
            state = log.state(part, version.version)
        assert state is not None, "the version has the part"
        return outline_of(state, session=version.session, part=part)


class AsyncCompares(AsyncBase):
    """The same as coroutines."""

    async def diff(
        self,
        id: str,
        at: At | None = None,
        to: At | None = None,
        *,
        other: Side | None = None,
        part: str | None = None,
    ) -> Difference:
        """Return what leads from version *at* to version *to*."""
        return await self._wait(Compares.diff, id, at, to, other=other, part=part)

    async def first_divergence(
        self, a: Side, b: Side, *, part: str | None = None
    ) -> Divergence | None:
        """Return the first message at which two sessions differ, else the first event."""
        return await self._wait(Compares.first_divergence, a, b, part=part)
