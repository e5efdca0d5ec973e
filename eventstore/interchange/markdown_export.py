"""Export as a transcript for people: Markdown, with tool calls folded and code fenced."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from eventstore.commit import SESSION, Version
from eventstore.errors import CorruptError, InvalidInputError
from eventstore.interchange.chosen import Wanted, readable
from eventstore.interchange.exports import Export, ExportOptions
from eventstore.interchange.outfile import Target, name_of, writing
from eventstore.interchange.report import ExportReport
from eventstore.interchange.sink import Progress
from eventstore.store import EventStore
from eventstore.views import members

_FENCES = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_TICKS = re.compile(r"`+")
_TAG = re.compile(
    r"<(?=/?(?:details|summary|script|style|iframe|textarea|pre)\b|[!?])", re.IGNORECASE
)
"""What Markdown would take for the beginning of HTML that reaches beyond the text."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SUMMARY_LENGTH = 80


def export_markdown(
    store: EventStore, wanted: Wanted, target: Target, *, progress: Progress | None = None
) -> ExportReport:
    """Write sessions as transcripts, one behind the other; *progress* counts sessions.

    One that is damaged is left out and reported.
    """
    report = ExportReport(name_of(target), files=1)
    versions = readable(store, wanted, report).values()
    with writing(target) as file:
        for done, version in enumerate(versions, start=1):
            try:
                state = store.load_bytes(version.session, at=version)
            except CorruptError as error:
                report.problem(version.session, error)
                continue
            if state is None:
                raise InvalidInputError("is deleted", session=version.session)
            text = "\n".join(transcript(version, json.loads(state))).encode() + b"\n"
            file.write(text)
            report.size += len(text)
            report.sessions.append(version.session)
            if progress is not None:
                progress(version.session, done, len(versions))
    return report


def transcript(version: Version, session: Any) -> Iterator[str]:
    """Yield the lines of a session's transcript."""
    document = members(session)
    config = members(document.get("config"))
    name = _line(config.get("name")) or _line(document.get("name")) or _line(version.session)
    yield f"# {_plain(name)}"
    yield ""
    yield f"- session: {_code(version.session)}, version {version.version}"
    yield f"- saved: {version.saved_at:%Y-%m-%d %H:%M:%S} UTC"
    if model := _line(document.get("model_name")):
        yield f"- model: {_code(model)}"
    if created := document.get("created_at"):
        yield from _created(created)
    yield f"- state: `b3:{version.parts[SESSION].address}`"
    yield ""
    if prompt := config.get("system_prompt"):
        yield from _folded("system prompt", _fenced(str(prompt), "text"))
    said = document.get("messages")
    if not isinstance(said, list):
        yield from _fenced(json.dumps(session, ensure_ascii=False, indent=2), "json")
        return
    calls: dict[str, str] = {}
    for number, message in enumerate(said, start=1):
        yield from _message(number, members(message), calls)


def _message(number: int, message: Any, calls: dict[str, str]) -> Iterator[str]:
    """Yield one message; *calls* are the names of the tools by the ids of their calls."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else [content]
    results = [b for b in blocks if members(b).get("type") == "tool_result"]
    role = "tool" if results and len(results) == len(blocks) else _line(message.get("role"))
    yield f"## {number}. {_plain(role) or 'unknown'}"
    yield ""
    if isinstance(thought := message.get("reasoning_content"), str):
        yield from _folded("thinking", _fenced(thought, "text"))
    for block in blocks:
        yield from _block(block, calls)


def _block(block: Any, calls: dict[str, str]) -> Iterator[str]:
    """Yield one block of a message."""
    if isinstance(block, str):
        yield from _prose(block)
        return
    fields = members(block)
    kind = fields.get("type")
    if kind == "text" and isinstance(fields.get("text"), str):
        yield from _prose(fields["text"])
    elif kind == "tool_use":
        name = _line(fields.get("name")) or "tool"
        calls[str(fields.get("id"))] = name
        arguments = json.dumps(fields.get("input"), ensure_ascii=False)
        summary = f"call of {name}: {arguments}"
        shown = json.dumps(fields.get("input"), ensure_ascii=False, indent=2)
        yield from _folded(summary, _fenced(shown, "json"))
    elif kind == "tool_result":
        name = calls.get(str(fields.get("tool_use_id")), "a tool")
        failed = ", failed" if fields.get("is_error") is True else ""
        yield from _folded(f"result of {name}{failed}", _result(fields.get("content")))
    elif kind == "image":
        source = members(fields.get("source"))
        size = len(str(source.get("data") or "")) * 3 // 4
        yield f"*(an image, {_plain(_line(source.get('media_type')))}, about {size} bytes)*"
        yield ""
    elif block is not None:
        shown = json.dumps(block, ensure_ascii=False, indent=2)
        yield from _folded(f"block of type {_line(kind) or 'unknown'}", _fenced(shown, "json"))


def _result(content: Any) -> Iterator[str]:
    """Yield what a tool gave back."""
    if isinstance(content, str):
        yield from _fenced(content, "text")
        return
    for part in content if isinstance(content, list) else [content]:
        text = members(part).get("text")
        if isinstance(text, str):
            yield from _fenced(text, "text")
        else:
            yield from _block(part, {})


def _prose(text: str) -> Iterator[str]:
    """Yield what somebody wrote as Markdown, so that it cannot swallow what follows."""
    yield _TAG.sub("&lt;", _printable(text))
    opened: str | None = None
    for found in _FENCES.finditer(text):
        fence = found[1]
        if opened is None:
            opened = fence
        elif fence[0] == opened[0] and len(fence) >= len(opened):
            opened = None
    if opened is not None:
        yield opened
    yield ""


def _fenced(text: str, language: str) -> Iterator[str]:
    """Yield text in a fence that is longer than any inside it."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield _printable(text)
    yield fence
    yield ""


def _printable(text: str) -> str:
    """Return text with line feeds only, and without what a terminal would act on."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _folded(summary: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield lines folded away behind a summary."""
    shown = _line(summary)
    if len(shown) > _SUMMARY_LENGTH:
        shown = shown[:_SUMMARY_LENGTH] + "…"
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield f"<details><summary>{escaped}</summary>"
    yield ""
    yield from lines
    yield "</details>"
    yield ""


def _created(value: Any) -> Iterator[str]:
    """Yield when the session began, if it says so."""
    if type(value) is int and 0 < value < 253_402_300_800:
        yield f"- begun: {datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _line(value: Any) -> str:
    """Return text in one line; nothing for what is no text."""
    return " ".join(_CONTROL.sub("\ufffd", value).split()) if isinstance(value, str) else ""


def _code(text: str) -> str:
    """Return text as a span of code."""
    ticks = "`" * (max((len(t) for t in _TICKS.findall(text)), default=0) + 1)
    shown = _line(text)
    return f"{ticks} {shown} {ticks}" if "`" in shown else f"{ticks}{shown}{ticks}"


def _plain(text: str) -> str:
    """Return text in which nothing is Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


def _export(
    store: EventStore, wanted: Wanted, target: Target, options: ExportOptions
) -> ExportReport:
    """Export as the command line asks."""
    return export_markdown(store, wanted, target, progress=options.progress)


EXPORTS = (Export("markdown", "a transcript for people", _export),)
