"""Claude Code transcripts: JSON Lines, one record of a conversation per line."""

from __future__ import annotations

from eventstore.interchange.claude_code import FORMAT as NAME
from eventstore.interchange.claude_code import import_transcript
from eventstore.interchange.files import format_of, is_record
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink


def _recognises(sample: Sample, options: Options) -> bool:
    """Whether one of the first lines is a record of a transcript; an empty file may become one."""
    if sample.size == 0:
        return options.asked_for or sample.path.suffix == ".jsonl"
    if sample.document is not None:
        return is_record(sample.document)
    return format_of(sample.path) == NAME


def _read(sample: Sample, sink: Sink, advance: Advance, options: Options) -> list[FileOutcome]:
    """Import the transcript."""
    return [import_transcript(sample.path, sink, advance, asked_for=options.asked_for)]


FORMAT = Format(NAME, "a Claude Code transcript (.jsonl)", _recognises, _read, rank=20)
