"""For tests: a simulated disk under a store, and the contract that every backend fulfils.

`backend_contract` imports pytest, so it is a module to be named: nothing else here needs it.
"""

from eventstore.testing.luck import Luck
from eventstore.testing.sim_backend import SimBackend
from eventstore.testing.sim_disk import Image, SimDisk
from eventstore.testing.sim_fs import SimFs
from eventstore.testing.sim_process import (
    Call,
    Fault,
    ProcessKilledError,
    SimProcess,
    Watcher,
)

__all__ = [
    "Call",
    "Fault",
    "Image",
    "Luck",
    "ProcessKilledError",
    "SimBackend",
    "SimDisk",
    "SimFs",
    "SimProcess",
    "Watcher",
]
