"""SVG: three kinds of charts, written as text that is the same for the same numbers.

Bars are ratios on a logarithmic scale that start at 1, so that better and worse lie on different
sides; shares are bars on a linear scale from 0 to 100; lines are ratios by a size, both scales
logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_FONT = "font-family='system-ui, sans-serif' font-size='13'"
_INK, _FAINT, _GRID = "#1f2933", "#616e7c", "#d9dee4"
_OURS, _THEIRS = "#0b6e99", "#b0b8c1"
_COLOURS = ("#0b6e99", "#d1495b", "#edae49", "#3f7d20", "#7a5195", "#8d6346", "#00a6a6", "#4a4e69")
_ROW = 24
_LEFT, _WIDTH, _RIGHT, _TOP = 210, 480, 130, 58
_HEIGHT = 320


@dataclass(frozen=True)
class Bar:
    """A ratio with its quartiles; a marked one is ours."""

    name: str
    value: float
    low: float
    high: float
    is_marked: bool = False


def bars(title: str, subtitle: str, rows: Sequence[Bar]) -> str:
    """Return a chart of horizontal bars that start at 1."""
    values = [value for row in rows for value in (row.value, row.low, row.high)]
    return _bars(title, subtitle, rows, _Scale([*values, 1.0], _LEFT, _WIDTH), 1.0)


def shares(title: str, subtitle: str, rows: Sequence[Bar]) -> str:
    """Return a chart of horizontal bars of percents."""
    return _bars(title, subtitle, rows, _Percent(_LEFT, _WIDTH), 0.0)


def _bars(
    title: str, subtitle: str, rows: Sequence[Bar], scale: _Scale | _Percent, base: float
) -> str:
    """Return a chart of horizontal bars that start at *base*."""
    bottom = _TOP + _ROW * len(rows)
    parts = [_header(title, subtitle, bottom + 34)]
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(_line(x, x, _TOP, bottom, _GRID))
        parts.append(_label(x, bottom + 18, f"{tick:g}", "middle"))
    for index, row in enumerate(rows):
        parts += _bar(row, scale, base, _TOP + index * _ROW + 4)
    parts.append(_line(scale.at(base), scale.at(base), _TOP, bottom, _INK))
    return _joined(parts)


def _bar(row: Bar, scale: _Scale | _Percent, base: float, y: float) -> list[str]:
    """Return a bar with its name, its quartiles and its value."""
    start, end = sorted((scale.at(base), scale.at(row.value)))
    fill, weight = (_OURS, " font-weight='600'") if row.is_marked else (_THEIRS, "")
    return [
        f"<text x='{_LEFT - 10}' y='{y + 12}' text-anchor='end' fill='{_INK}'{weight}>"
        f"{escape(row.name)}</text>",
        f"<rect x='{start:.1f}' y='{y}' width='{max(end - start, 1):.1f}' height='16' "
        f"fill='{fill}' rx='2'/>",
        f"<line x1='{scale.at(row.low):.1f}' x2='{scale.at(row.high):.1f}' y1='{y + 8}' "
        f"y2='{y + 8}' stroke='{_INK}' stroke-width='1.5'/>",
        f"<text x='{_LEFT + _WIDTH + 12}' y='{y + 12}' fill='{_INK}'>{row.value:.3g}</text>",
    ]


def lines(
    title: str, subtitle: str, series: Mapping[str, Sequence[tuple[float, float]]], marked: str
) -> str:
    """Return a chart of lines, each a name and its points; *marked* is drawn thicker."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    across = _Scale(xs, 60, _WIDTH + 60, pad=1.0)
    up = _Scale([*ys, 1.0], 0, _HEIGHT)
    bottom = _TOP + _HEIGHT
    parts = [_header(title, subtitle, bottom + 40)]
    for tick in up.ticks():
        y = bottom - up.at(tick)
        parts.append(_line(60, _WIDTH + 120, y, y, _GRID))
        parts.append(_label(52, y + 4, f"{tick:g}", "end"))
    for x in sorted(set(xs)):
        parts.append(_label(across.at(x), bottom + 18, f"{x:g}", "middle"))
    ends = _spread([(bottom - up.at(points[-1][1]), name) for name, points in series.items()])
    for index, (name, points) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        dash = "" if index < len(_COLOURS) else " stroke-dasharray='5 3'"
        path = " ".join(f"{across.at(x):.1f},{bottom - up.at(y):.1f}" for x, y in points)
        width = 3.5 if name == marked else 1.8
        parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' "
            f"stroke-width='{width}'{dash}/>"
        )
        weight = " font-weight='600'" if name == marked else ""
        parts.append(
            f"<text x='{_WIDTH + 128}' y='{ends[name] + 4:.1f}' fill='{colour}'{weight}>"
            f"{escape(name)}</text>"
        )
    return _joined(parts)


class _Scale:
    """A logarithmic scale over some values, laid over so many pixels."""

    def __init__(
        self, values: Sequence[float], start: float, size: float, pad: float = 1.15
    ) -> None:
        """Cover all values, and a little more."""
        positive = [value for value in values if value > 0]
        self._low = math.log10(min(positive) / pad)
        self._high = math.log10(max(positive) * pad)
        if self._high - self._low < 0.3:
            self._low, self._high = self._low - 0.15, self._high + 0.15
        self._start, self._size = start, size

    def at(self, value: float) -> float:
        """Return where a value is."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + self._size * share

    def ticks(self) -> list[float]:
        """Return round values to label, not too many."""
        steps = (1,) if self._high - self._low > 3 else (1, 2, 5)
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        ticks = [step * 10.0**power for power in powers for step in steps]
        return [tick for tick in ticks if self._low <= math.log10(tick) <= self._high]


class _Percent:
    """A linear scale from 0 to 100, laid over so many pixels."""

    def __init__(self, start: float, size: float) -> None:
        """Begin at a pixel."""
        self._start, self._size = start, size

    def at(self, value: float) -> float:
        """Return where a value is."""
        return self._start + self._size * value / 100

    def ticks(self) -> list[float]:
        """Return the values to label."""
        return [0, 20, 40, 60, 80, 100]


def _spread(ends: list[tuple[float, str]], gap: float = 15) -> dict[str, float]:
    """Return heights for labels, in their order but never on top of each other."""
    found: dict[str, float] = {}
    last = -math.inf
    for y, name in sorted(ends):
        last = max(y, last + gap)
        found[name] = last
    return found


def _header(title: str, subtitle: str, height: float) -> str:
    """Return the beginning of a chart."""
    width = _LEFT + _WIDTH + _RIGHT
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:.0f}' "
        f"width='{width}' height='{height:.0f}' role='img' {_FONT}>\n"
        f"<title>{escape(title)}</title>\n"
        f"<rect width='100%' height='100%' fill='#ffffff'/>\n"
        f"<text x='16' y='24' font-size='16' font-weight='600' fill='{_INK}'>"
        f"{escape(title)}</text>\n"
        f"<text x='16' y='44' fill='{_FAINT}'>{escape(subtitle)}</text>"
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    """Return a small text."""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{_FAINT}'>{text}</text>"


def _line(x1: float, x2: float, y1: float, y2: float, colour: str) -> str:
    """Return a thin line."""
    ends = f"x1='{x1:.1f}' x2='{x2:.1f}' y1='{y1:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{colour}'/>"


def _joined(parts: Sequence[str]) -> str:
    """Return a whole chart."""
    return "\n".join([*parts, "</svg>\n"])
