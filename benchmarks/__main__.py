"""Run the measurements: `python -m benchmarks [TURNS…]` prints ratios and writes JSON."""

from __future__ import annotations

import json
import platform
import sys
from typing import Any

from benchmarks.grow import measure


def main() -> None:
    """Measure *grow* for each number of turns; ratios are of medians within one run."""
    results = [measure(int(turns)) for turns in sys.argv[1:] or ["10", "100", "500"]]
    for result in results:
        print(_line(result))
    machine = {"python": platform.python_version(), "system": platform.platform()}
    with open("benchmark-results.json", "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "durability": "sync", "grow": results}, file, indent=2)


def _line(result: dict[str, Any]) -> str:
    """Return the ratios of one run."""
    save = {name: times[1] for name, times in result["save_us"].items()}
    load = {name: times[1] for name, times in result["load_us"].items()}
    peer = "a3s-code file store"
    return (
        f"grow {result['turns']:>5}: "
        f"save/floor {save['eventstore'] / save['floor']:.2f}  "
        f"save/file store {save['eventstore'] / save[peer]:.3f}  "
        f"dict save/file store {save['eventstore, dict'] / save[peer]:.2f}  "
        f"load/file store {load['eventstore'] / load[peer]:.2f}  "
        f"history/last pretty JSON {result['history_bytes'] / result['pretty_bytes']:.3f}"
    )


if __name__ == "__main__":
    main()
