"""Where a3s-code (up to 3.x) keeps the documents of a session.

    <dir>/<stem>.json                      session
    <dir>/artifacts/<stem>/artifacts.json  artifacts
    <dir>/traces/<stem>.json               trace events
    <dir>/runs/<stem>.json                 run records
    <dir>/verification/<stem>.json         verification reports

The stem is the id made safe, which two ids may share.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eventstore.commit import SESSION
from eventstore.errors import InvalidInputError
from eventstore.models.a3s import SessionData
from eventstore.parts import (
    ARTIFACTS,
    PART_TYPES,
    RUN_RECORDS,
    TRACE_EVENTS,
    VERIFICATION_REPORTS,
)
from eventstore.state import check_bytes, invalid

FORMAT = "a3s-code"
ARTIFACTS_FILE = "artifacts.json"
PROBE = ".health_check"
LATER_LAYOUT = "v1"

DIRECTORIES = {
    ARTIFACTS: "artifacts",
    TRACE_EVENTS: "traces",
    RUN_RECORDS: "runs",
    VERIFICATION_REPORTS: "verification",
}
"""The parts beside the session document, and the directory of each."""

PARTS = (SESSION, *DIRECTORIES)

_TYPES: dict[str, TypeAdapter[Any]] = {SESSION: TypeAdapter(SessionData), **PART_TYPES}


def stem_of(id: str) -> str:
    """Return the file stem of a session id, as a3s-code makes it."""
    return id.replace("/", "_").replace("\\", "_").replace("..", "_")


def path_of(part: str, stem: str) -> PurePath:
    """Return where the document of a part is, below the directory."""
    if part == SESSION:
        return PurePath(f"{stem}.json")
    directory = PurePath(DIRECTORIES[part])
    if part == ARTIFACTS:
        return directory / stem / ARTIFACTS_FILE
    return directory / f"{stem}.json"


def check_document(part: str, state: bytes) -> None:
    """Raise `InvalidInputError`, naming the field, for a state that a3s-code could not read."""
    try:
        _TYPES[part].validate_python(check_bytes(state, part=part))
    except ValidationError as error:
        raise invalid(error, part) from None
    except RecursionError:
        raise InvalidInputError("is nested too deeply", field=part) from None


def without_key(document: dict[str, Any]) -> bool:
    """Take the API key out of a session document; return whether there was one."""
    config = document.get("llm_config")
    return isinstance(config, dict) and config.pop("api_key", None) is not None
