"""The worked example of `docs/format.md` is what the library writes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from eventstore.content import Content
from eventstore.draft import Change, draft
from eventstore.frame import HEADER_SIZE, decode_frame
from eventstore.part_writer import PartWriter
from eventstore.payload import Genesis

PAGE = Path(__file__).resolve().parents[2] / "docs" / "format.md"
EXAMPLE = re.compile(r"(?<=<!-- example -->\n```text\n).*?(?=```\n<!-- /example -->)", re.S)


def example() -> str:
    """Return the example as the page prints it."""
    content = Content("session", {"id": "demo"}, size_max=100)
    change = Change("save", 1_700_000_000_000_000_000, {"session": content})
    written = {"session": PartWriter(content.tree()).first()}
    genesis = Genesis(bytes(range(32, 64)), "demo")
    made = draft(None, change, written, genesis, log=bytes(range(16)).hex(), upto=0)
    frame = decode_frame(made.frame, 0)
    table_start = HEADER_SIZE + len(frame.commit)
    body_start = table_start + len(frame.table)
    body_end = body_start + len(frame.bodies)
    pieces = [
        ("header", made.frame[:HEADER_SIZE]),
        ("packed commit", frame.commit),
        ("table", frame.table),
        ("bodies", frame.bodies),
        ("BLAKE3 of the frame", made.frame[body_end : body_end + 32]),
        ("size and end mark", made.frame[body_end + 32 :]),
    ]
    commit = made.commit
    lines, offset = [f"commit: {commit.encoded.decode()}", f"its id: {commit.id}"], 0
    for title, piece in pieces:
        lines.append(f"\n{title}")
        for start in range(0, len(piece), 16):
            row = piece[start : start + 16]
            lines.append(f"{offset + start:04x}  {row.hex(' ')}")
        offset += len(piece)
    return "\n".join(lines) + "\n"


def test_the_worked_example_is_what_is_written() -> None:
    """The hex in the page equals the bytes of the frame (EVENTSTORE_UPDATE_DOCS=1 rewrites it)."""
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("EVENTSTORE_UPDATE_DOCS"):
        PAGE.write_text(EXAMPLE.sub(lambda _: example(), page), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
    found = EXAMPLE.search(page)
    assert found is not None
    assert found[0] == example()
