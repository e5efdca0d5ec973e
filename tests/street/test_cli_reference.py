"""The page about the command line is the command line's own."""

from __future__ import annotations

from pathlib import Path

from eventstore.cli.app import app
from eventstore.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    """docs/cli.md is what the generator prints now."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_the_page_names_every_command() -> None:
    """Every command has a section with an example."""
    page = reference()
    for name in app.commands:
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert f"eventstore {name}" in section
        assert "```sh\n" in section
