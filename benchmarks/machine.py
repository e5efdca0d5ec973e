"""The machine: what results depend on and nobody can choose, said beside them."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path


def describe(directory: Path) -> dict[str, str | int]:
    """Return what the machine is, and which file system *directory* is on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "file_system": file_system(directory),
    }


def versions(distributions: dict[str, str]) -> dict[str, str]:
    """Return the versions of Python, SQLite, this library and some *distributions*."""
    own = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    own |= {name: version(name) for name in ("pydantic", "blake3", "zstandard")}
    return own | dict(sorted(distributions.items()))


def file_system(directory: Path) -> str:
    """Return the type of the file system that *directory* is on, where the system says so."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    mounts = {Path(line.split()[1]): line.split()[2] for line in lines}
    path = directory.resolve()
    return next((mounts[p] for p in (path, *path.parents) if p in mounts), "unknown")


def _processor() -> str:
    """Return the processor's name, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
