"""Results: one JSON file, written after every workload, so that a run can be taken up again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blake3 import blake3

from benchmarks.sizes import Sizes

FORMAT = 1
DEFAULT_PATH = Path(__file__).parent / "results" / "latest.json"
_PACKAGE = Path(__file__).resolve().parents[1] / "eventstore"


class Results:
    """What was measured so far."""

    def __init__(self, path: Path, sizes: Sizes, peers: tuple[str, ...]) -> None:
        """Read the file if it is there and has this form."""
        self.path = path
        self._stamp = {
            "code": code(),
            "sizes": json.loads(json.dumps(asdict(sizes))),
            "peers": list(peers),
        }
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.all: dict[str, Any] = known if known.get("format") == FORMAT else {"format": FORMAT}
        self.all.setdefault("workloads", {})

    def done(self, workload: str) -> dict[str, Any] | None:
        """Return what was measured of a workload with this code, these sizes and these peers."""
        found: dict[str, Any] | None = self.all["workloads"].get(workload)
        return found if found and found["stamp"] == self._stamp and "found" in found else None

    def put(self, workload: str, **what: Any) -> None:
        """Keep the results of a workload, and write the file."""
        self.all["workloads"][workload] = {"stamp": self._stamp, **what}
        self.write()

    def write(self) -> None:
        """Write the file whole, so that an interrupted run leaves the one before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        text = json.dumps(self.all, indent=1, ensure_ascii=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")
        temporary.rename(self.path)


def code() -> str:
    """Return what changes when any module of the package does."""
    digest = blake3()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
