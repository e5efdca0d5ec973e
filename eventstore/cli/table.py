"""Tables that stream: aligned columns, whole in a pipe, fitted to the width of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

NOTHING = "-"
"""What a cell without a value holds."""

_GAP = "  "
_FIRST = 200
"""Rows looked at before the first is printed; a later, wider cell just takes its room."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; on a terminal that is too narrow it may shrink to *least* cells, then go.

    Columns go in the order of *leaves*, lowest first; 0 stays. A *folds* column moves to a
    line of its own instead.
    """

    title: str
    right: bool = False
    style: str = ""
    least: int = 0
    leaves: int = 0
    folds: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a heading and *rows* to standard output as they come; nothing if there are none."""
    rows = iter(rows)
    first = list(islice(rows, _FIRST))
    if not first:
        return
    widths = _widths(columns, first)
    if not sys.stdout.isatty():
        _print_plain(columns, widths, chain(first, rows))
        return
    console = Console(highlight=False, soft_wrap=True)
    shown = _fitted(columns, widths, console.width)
    console.print(_line(columns, shown, [c.title for c in columns], heading=True))
    for row in chain(first, rows):
        console.print(_line(columns, shown, row))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how many terminal cells each column needs."""
    return [
        max(cell_len(column.title), *(cell_len(row[i]) for row in rows))
        for i, column in enumerate(columns)
    ]


def _print_plain(
    columns: Sequence[Column], widths: Sequence[int], rows: Iterable[Sequence[str]]
) -> None:
    """Print every cell whole, one line a row, without styles."""
    click.echo(_plain(columns, widths, [column.title for column in columns]))
    for row in rows:
        click.echo(_plain(columns, widths, row))


def _plain(columns: Sequence[Column], widths: Sequence[int], row: Sequence[str]) -> str:
    """Return one row as one line of text."""
    cells = (_padded(c, w, text) for c, w, text in zip(columns, widths, row, strict=True))
    return _GAP.join(cells).rstrip()


def _padded(column: Column, width: int, text: str) -> str:
    """Return a cell filled up to its column's width."""
    fill = " " * (width - cell_len(text))
    return fill + text if column.right else text + fill


def _fitted(columns: Sequence[Column], widths: Sequence[int], room: int) -> dict[int, int]:
    """Return the columns to show, by position, with their widths; a folded one has width 0."""
    shown = dict(enumerate(widths))
    for i, column in enumerate(columns):
        if column.folds and _total(shown) > room:
            shown[i] = 0
    for i, column in enumerate(columns):
        if column.least:
            shown[i] = min(column.least, shown[i])
    for i in sorted(shown, key=lambda i: columns[i].leaves):
        if columns[i].leaves and _total(shown) > room:
            del shown[i]
    for i, column in enumerate(columns):
        if column.least and i in shown:
            shown[i] = min(widths[i], shown[i] + max(0, room - _total(shown)))
    return shown


def _total(shown: dict[int, int]) -> int:
    """Return the cells a line of these columns takes."""
    return sum(width + len(_GAP) for width in shown.values() if width) - len(_GAP)


def _line(
    columns: Sequence[Column], shown: dict[int, int], row: Sequence[str], *, heading: bool = False
) -> Text:
    """Return one row as a terminal shows it; folded cells follow on indented lines."""
    line = Text()
    folded = Text()
    for i, width in shown.items():
        style = "bold" if heading else columns[i].style
        if not width:
            if row[i] != NOTHING:
                folded.append("\n" + _GAP + row[i], style)
            continue
        text = row[i]
        if columns[i].least and cell_len(text) > width:
            text = set_cell_size(text, width - 1) + "…"
        line.append((_GAP if line else "") + _padded(columns[i], width, text), style)
    line.rstrip()
    return line if heading else line.append_text(folded)
