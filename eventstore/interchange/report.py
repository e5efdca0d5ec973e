"""What an import or an export did, file by file, for people and for exit codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from eventstore.errors import EventStoreError

Severity = Literal["problem", "warning"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to know about a file: a `problem` (something was not taken) or a `warning`."""

    path: str
    reason: str
    severity: Severity = "problem"
    line: int | None = None

    def __str__(self) -> str:
        """Return the remark in one line."""
        return f"{self.place}: {self.reason}"

    @property
    def place(self) -> str:
        """The file, and the line in it if that is known."""
        return self.path if self.line is None else f"{self.path}:{self.line}"


@dataclass(slots=True)
class FileOutcome:
    """What became of one file: `counts` are its records by kind, `size` its bytes.

    `added` says how many versions were written of each session that got any.
    """

    path: str
    format: str
    size: int = 0
    sessions: list[str] = field(default_factory=list)
    added: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def versions_added(self) -> int:
        """How many versions were written."""
        return self.added.total()

    @property
    def ok(self) -> bool:
        """Whether all of the file was taken."""
        return not any(remark.severity == "problem" for remark in self.remarks)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values."""
        return {
            "path": self.path,
            "format": self.format,
            "ok": self.ok,
            "size": self.size,
            "sessions": self.sessions,
            "versions_added": self.versions_added,
            "counts": dict(self.counts),
            "remarks": [asdict(remark) for remark in self.remarks],
        }

    def add(self, session: str, versions: int) -> None:
        """Count versions that were written."""
        if versions:
            self.added[session] += versions

    def problem(self, reason: str | EventStoreError, *, line: int | None = None) -> None:
        """Note something that was not taken."""
        self.remarks.append(Remark(self.path, str(reason), line=line))

    def warning(self, reason: str, *, line: int | None = None) -> None:
        """Note something to know that took nothing away."""
        self.remarks.append(Remark(self.path, reason, "warning", line))


class _Remarked(ABC):
    """What both reports offer: their remarks, apart."""

    @abstractmethod
    def remarks(self) -> Iterator[Remark]:
        """Yield every remark, in the order of the files."""

    @property
    def problems(self) -> list[Remark]:
        """Everything that was not taken, one by one."""
        return [remark for remark in self.remarks() if remark.severity == "problem"]

    @property
    def warnings(self) -> list[Remark]:
        """Everything else to know."""
        return [remark for remark in self.remarks() if remark.severity == "warning"]

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for was done."""
        return not any(remark.severity == "problem" for remark in self.remarks())


@dataclass(slots=True)
class ImportReport(_Remarked):
    """What an import did; with `dry_run`, what it would have done.

    `passed_over` counts JSON documents that were found in directories and are in no known format.
    """

    files: list[FileOutcome] = field(default_factory=list)
    dry_run: bool = False
    passed_over: int = 0

    def remarks(self) -> Iterator[Remark]:
        """Yield every remark, in the order of the files."""
        for file in self.files:
            yield from file.remarks

    @property
    def sessions(self) -> list[str]:
        """The ids of all sessions found, sorted, whether or not anything was new."""
        return sorted({session for file in self.files for session in file.sessions})

    @property
    def versions_added(self) -> int:
        """How many versions were written."""
        return self.added.total()

    @property
    def added(self) -> Counter[str]:
        """How many versions were written of each session that got any."""
        return _added(file.added for file in self.files)

    @property
    def size(self) -> int:
        """How many bytes of files were read."""
        return sum(file.size for file in self.files)

    @property
    def counts(self) -> Counter[str]:
        """The records of all files, by kind."""
        return _added(file.counts for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "ok": self.ok,
            "dry_run": self.dry_run,
            "sessions": self.sessions,
            "versions_added": self.versions_added,
            "size": self.size,
            "counts": dict(self.counts),
            "passed_over": self.passed_over,
            "files": [file.as_dict() for file in self.files],
        }


@dataclass(slots=True)
class ExportReport(_Remarked):
    """What an export wrote: `sessions` that are complete, `files` and their bytes."""

    directory: str
    sessions: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0
    notes: list[Remark] = field(default_factory=list)

    def problem(self, session: str, error: EventStoreError) -> None:
        """Note a session that was not written, or not all of it."""
        self.notes.append(Remark(session, str(error)))

    def remarks(self) -> Iterator[Remark]:
        """Yield every remark, in the order of the sessions."""
        return iter(self.notes)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "ok": self.ok,
            "directory": self.directory,
            "sessions": self.sessions,
            "files": self.files,
            "size": self.size,
            "remarks": [asdict(remark) for remark in self.notes],
        }


def _added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Add up counts."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total
