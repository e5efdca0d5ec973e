"""The command: `python -m benchmarks` runs every workload; `--help` tells the rest."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, page, workloads
from benchmarks.context import Context
from benchmarks.peer import MissingError
from benchmarks.peers import NAMES, STORES, peer_class, versions_of
from benchmarks.plot import plot_all
from benchmarks.results import DEFAULT_PATH, Results
from benchmarks.sizes import DEFAULT, FULL, QUICK, Sizes

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
_DURABILITY = "sync: every save is durable when it returns, for every peer; see peers"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; 1 if a workload or a peer failed."""
    options = _parser().parse_args(arguments)
    if options.command == "plot":
        return _publish(options)
    if options.command == "peers":
        return _list_peers()
    named = {"run": options.workloads, "figures": ["figures"], "stages": ["stages"]}
    code = _run(options, named[options.command])
    if options.command == "run" and options.results == DEFAULT_PATH:
        _publish(options)
    return code


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        default="run",
        choices=("run", "figures", "stages", "plot", "peers"),
        help="run: all workloads; figures, stages: only these; plot: draw results; peers: list",
    )
    parser.add_argument("--workloads", type=_names(workloads.NAMES), default=workloads.NAMES)
    parser.add_argument("--peers", type=_names(NAMES), default=STORES)
    parser.add_argument("--turns", type=_numbers, help="lengths of the sessions of grow")
    parser.add_argument("--sessions", type=_numbers, help="numbers of sessions of list")
    parser.add_argument("--threads", type=_numbers, help="numbers of threads of many")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="everything small, in a minute or two")
    size.add_argument("--full", action="store_true", help="also list a million sessions")
    parser.add_argument("--resume", action="store_true", help="keep what the same run has measured")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to write stores")
    parser.add_argument("--corpus", type=Path, default=_CORPUS, help="the folder of real sessions")
    parser.add_argument("--results", type=Path, default=DEFAULT_PATH, help="the file of results")
    parser.add_argument("--docs", type=Path, default=_DOCS, help="where plots and tables go")
    return parser


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads a list of names that must be *known*."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return names

    return read


def _numbers(text: str) -> tuple[int, ...]:
    """Read a list of numbers."""
    return tuple(int(number) for number in text.split(","))


def _sizes(options: argparse.Namespace) -> Sizes:
    """Return the sizes that were asked for."""
    sizes = QUICK if options.quick else FULL if options.full else DEFAULT
    chosen = {"turns": options.turns, "listed": options.sessions, "threads": options.threads}
    return replace(sizes, **{name: value for name, value in chosen.items() if value})


def _run(options: argparse.Namespace, names: tuple[str, ...]) -> int:
    """Run workloads, keeping results after each; one that fails stops no other."""
    sizes = _sizes(options)
    results = Results(options.results, sizes, options.peers)
    context = Context(options.directory.resolve(), options.peers, sizes, options.corpus, _say)
    _warn_of_memory(context)
    failed = False
    for name in names:
        if options.resume and results.done(name):
            print(f"== {name}: kept")
            continue
        print(f"== {name}", flush=True)
        failed |= not _run_one(context, results, name)
    for name, workload in results.all["workloads"].items():
        if name in names and "failed" in workload:
            print(f"FAILED {name}: {workload['failed']}")
    return 1 if failed else 0


def _run_one(context: Context, results: Results, name: str) -> bool:
    """Run one workload and keep what it found; whether all went well."""
    start = time.monotonic()
    load = [round(os.getloadavg()[0], 1)]
    context.failed.clear()
    context.left.clear()
    module = workloads.workload(name)
    try:
        found = module.run(context)
    except Exception as error:  # noqa: BLE001 - the other workloads still count
        results.put(name, failed=f"{type(error).__name__}: {error}")
        return False
    lines = module.lines(found)
    if name not in ("grow", "many", "list", "figures"):  # These have said it already.
        print("\n".join(lines))
    seconds = round(time.monotonic() - start)
    results.all |= {
        "machine": machine.describe(context.directory),
        "versions": machine.versions(versions_of(context.peers)),
        "durability": _DURABILITY,
        "peers": results.all.get("peers", {}) | context.about,
        "skipped": context.missing,
    }
    failures = context.failed | context.left
    load.append(round(os.getloadavg()[0], 1))
    results.put(name, seconds=seconds, load=load, failures=failures, found=found)
    print(f"== {name}: {seconds} s", flush=True)
    return not context.failed


def _say(text: str) -> None:
    """Print at once, so that a long run can be watched."""
    print(text, flush=True)


def _publish(options: argparse.Namespace) -> int:
    """Draw the plots, and fill in the tables of the page."""
    for path in plot_all(options.results, options.docs / "plots"):
        print(f"drawn: {path.name}")
    page.update(options.docs / "benchmarks.md", options.results)
    return 0


def _warn_of_memory(context: Context) -> None:
    """Say so where nothing that is written is ever durable."""
    if machine.file_system(context.directory) in ("tmpfs", "ramfs"):
        print("WARNING: the directory is in memory, where a sync costs nothing", file=sys.stderr)


def _list_peers() -> int:
    """Print every peer, or why it is not here."""
    for name in NAMES:
        try:
            print(f"{name:<28}{peer_class(name).about}")
        except MissingError as error:
            print(f"{name:<28}skipped: {error}")
    return 0


if __name__ == "__main__":
    # An end that is asked for removes folders and stops servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
