"""The workloads, by name: each has `run(context)`, which measures, and `lines(found)`."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_PLACES = {
    "figures": "benchmarks.figures",
    "stages": "benchmarks.stages",
    "grow": "benchmarks.workloads.grow",
    "real": "benchmarks.workloads.real",
    "many": "benchmarks.workloads.many",
    "list": "benchmarks.workloads.listing",
    "nested": "benchmarks.workloads.nested",
}

NAMES = tuple(_PLACES)


def workload(name: str) -> ModuleType:
    """Return the module of a workload."""
    return import_module(_PLACES[name])
