"""a3s-code (up to 3.x): a directory of documents, or one session document of it."""

from __future__ import annotations

from eventstore.interchange.a3s_import import import_directory
from eventstore.interchange.a3s_layout import FORMAT as NAME
from eventstore.interchange.a3s_scan import is_a3s
from eventstore.interchange.files import format_of, is_session
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether the file is a session document, or starts like one and is damaged."""
    if sample.document is not None:
        return is_session(sample.document)
    return sample.looks_like_json and format_of(sample.path) == NAME


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Import the session with what stands beside its document."""
    return import_directory(sample.path.parent, sink, advance, sample.path)


FORMAT = Format(
    NAME,
    "an a3s-code session directory",
    _recognises,
    _read,
    recognises_directory=is_a3s,
    read_directory=import_directory,
    rank=10,
)
