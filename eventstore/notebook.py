"""What notebooks show: small tables in HTML, with nothing in them that a browser would obey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table_html(title: str, rows: Iterable[Sequence[object]], *, head: Sequence[str] = ()) -> str:
    """Return a table with a caption; every cell is text."""
    lines = [_row("th", head)] if head else []
    lines += [_row("td", row) for row in rows]
    caption = f'<caption style="text-align:left">{escape(title)}</caption>'
    return f"<table>{caption}{''.join(lines)}</table>"


def _row(tag: str, cells: Iterable[object]) -> str:
    """Return one row."""
    style = ' style="text-align:left"'
    return f"<tr>{''.join(f'<{tag}{style}>{escape(str(c))}</{tag}>' for c in cells)}</tr>"
