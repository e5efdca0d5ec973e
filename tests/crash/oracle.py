"""What was promised of each session, and whether what a crash left keeps the promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

States = Mapping[str, bytes]


@dataclass(frozen=True)
class Seen:
    """One version as it was read: every state of it proven by its address."""

    version: int
    commit: str
    prev: str | None
    kind: str
    states: States


@dataclass(eq=False)
class Attempt:
    """A change that somebody began to commit: it may be there, wholly and once, or not at all.

    `result` gives the states of the version it makes from those of all versions before, or None
    where it makes none. `limit` is a version beyond which it cannot appear any more, `number` the
    only one that it may be.
    """

    kind: str
    result: Callable[[Sequence[States]], States | None]
    running: bool = True
    limit: int | None = None
    number: int | None = None

    def makes(self, seen: Seen, before: Sequence[States]) -> bool:
        """Whether *seen*, behind *before*, is this change."""
        if self.kind != seen.kind or (self.limit is not None and seen.version > self.limit):
            return False
        return self.number in (None, seen.version) and self.result(before) == seen.states


def saving(states: States) -> Attempt:
    """Return the attempt to save some parts."""
    return Attempt("save", lambda before: {**(before[-1] if before else {}), **states})


def deleting() -> Attempt:
    """Return the attempt to delete a session."""
    return Attempt("delete", lambda before: {} if before and before[-1] else None)


def undeleting() -> Attempt:
    """Return the attempt to bring a deleted session back."""
    return Attempt(
        "undelete", lambda before: before[-2] if len(before) > 1 and not before[-1] else None
    )


def compacting() -> Attempt:
    """Return the attempt to repack a log, which changes no state."""
    return Attempt("compact", lambda before: before[-1] if before else None)


def noting() -> Attempt:
    """Return the attempt to note something, which changes no state."""
    return Attempt("note", lambda before: before[-1] if before else None)


def restoring(number: int) -> Attempt:
    """Return the attempt to make version *number* current again."""
    return Attempt("restore", lambda before: before[number - 1] if number <= len(before) else None)


def forking(states: States) -> Attempt:
    """Return the attempt to begin a session with *states*."""
    return Attempt("fork", lambda before: None if before else states)


@dataclass
class Promises:
    """What was promised of one session.

    `required` are the commits of versions that were acknowledged, or shown to somebody.
    """

    session: str
    required: dict[int, str] = field(default_factory=dict)
    known: dict[str, States] = field(default_factory=dict)
    made: dict[str, Attempt] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def begin(self, attempt: Attempt) -> list[Attempt]:
        """Note that an attempt begins; return those that ended before it did."""
        ended = [other for other in self.attempts if not other.running and other.limit is None]
        self.attempts.append(attempt)
        return ended

    def acknowledge(
        self, attempt: Attempt, version: int, commit: str, ended: Sequence[Attempt]
    ) -> None:
        """Note that an attempt succeeded as a version; what ended before it began comes no more."""
        self.required[version] = commit
        self.made.setdefault(commit, attempt)
        if attempt in self.attempts:
            self.attempts.remove(attempt)
        for other in ended:
            other.limit = version - 1

    def show(self, versions: Sequence[Seen]) -> None:
        """Note what somebody was shown, after it was checked."""
        for seen in versions:
            self.required[seen.version] = seen.commit
            self.known[seen.commit] = seen.states
        settled = len(versions)
        self.attempts = [a for a in self.attempts if a.limit is None or a.limit > settled]

    def broken(
        self,
        versions: Sequence[Seen],
        *,
        damaged: int | None = None,
        required: Mapping[int, str] | None = None,
    ) -> str | None:
        """Return which promise *versions* break, all that there are; None if they keep all.

        With *damaged*, versions from that number on may be missing. *required* are the commits
        that must be there, all that are known unless given.
        """
        if [seen.version for seen in versions] != list(range(1, len(versions) + 1)):
            return f"versions have gaps: {[seen.version for seen in versions]}"
        for version, commit in (self.required if required is None else required).items():
            if version > len(versions):
                if damaged is None or version < damaged:
                    return f"version {version} was acknowledged or shown, and is gone"
            elif versions[version - 1].commit != commit:
                return f"version {version} was acknowledged or shown, and is another now"
        return self._foreign(versions)

    def _foreign(self, versions: Sequence[Seen]) -> str | None:
        """Return what is there that nobody tried to commit as a whole."""
        before: list[States] = []
        used: list[Attempt] = []
        previous = None
        for seen in versions:
            if seen.prev != previous:
                return f"version {seen.version} does not follow the one before it"
            if not self._explained(seen, before, used):
                return f"version {seen.version} is not what anybody saved"
            previous = seen.commit
            before.append(seen.states)
        return None

    def _explained(self, seen: Seen, before: Sequence[States], used: list[Attempt]) -> bool:
        """Whether a version is one that is known, or an attempt that was not used yet."""
        known = self.known.get(seen.commit)
        if known is not None:
            return known == seen.states
        made = self.made.get(seen.commit)
        for attempt in [*self.attempts] if made is None else [made]:
            if attempt not in used and attempt.makes(seen, before):
                used.append(attempt)
                return True
        return False
