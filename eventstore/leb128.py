"""Unsigned LEB128 numbers, and bytes read from front to back, never past their end."""

from __future__ import annotations

from eventstore.errors import CorruptError


def put(out: bytearray, *naturals: int) -> None:
    """Append numbers as unsigned LEB128."""
    for natural in naturals:
        assert natural >= 0, "only natural numbers are stored"
        number = natural
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)


def numbers(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return *count* numbers from offset *at* on, and the offset behind them.

    Raises `IndexError` where the data ends, `OverflowError` for more than 63 bits.
    """
    found = []
    for _ in range(count):
        byte = data[at]
        at += 1
        number, shift = byte & 0x7F, 7
        while byte > 0x7F:
            if shift >= 63:
                raise OverflowError
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
        found.append(number)
    return found, at


class Reader:
    """Reads *data*; whatever runs past its end is a `CorruptError` naming *what* was read."""

    __slots__ = ("_data", "_what", "at")

    def __init__(self, data: bytes, what: str) -> None:
        """Start at the first byte; `at` is the offset of the next."""
        self._data = data
        self._what = what
        self.at = 0

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.at == len(self._data)

    def take(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        taken = self._data[self.at : self.at + size]
        if len(taken) != size:
            raise CorruptError(f"{self._what} is cut short")
        self.at += size
        return taken

    def byte(self) -> int:
        """Return the next byte as a number."""
        if self.at >= len(self._data):
            raise CorruptError(f"{self._what} is cut short")
        self.at += 1
        return self._data[self.at - 1]

    def number(self) -> int:
        """Return the next unsigned LEB128 number, at most 63 bits of it."""
        data, at = self._data, self.at
        number = shift = 0
        while shift < 63:
            if at >= len(data):
                raise CorruptError(f"{self._what} is cut short")
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.at = at
                return number
            shift += 7
        raise CorruptError(f"{self._what} holds a number that is too large")
