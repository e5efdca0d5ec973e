"""oxios: a state directory of documents in categories, which only as a whole shows what it is."""

from __future__ import annotations

from eventstore.interchange.formats import Format
from eventstore.interchange.oxios_files import FORMAT as NAME
from eventstore.interchange.oxios_import import import_state_directory
from eventstore.interchange.oxios_scan import is_oxios

FORMAT = Format(
    NAME,
    "an oxios state directory",
    recognises_directory=is_oxios,
    read_directory=import_state_directory,
    rank=15,
)
