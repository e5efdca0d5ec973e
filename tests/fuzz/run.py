"""Random changes to sound examples, given to every decoder until time is up.

python -m tests.fuzz.run [SECONDS [SEED]]
"""

from __future__ import annotations

import sys
import tempfile
import time
from random import Random

from tests.fuzz.targets import SECONDS_MAX, Target, targets


def mutated(random: Random, data: bytes) -> bytes:
    """Change, drop, repeat or add a few bytes, or take something else altogether."""
    if random.random() < 0.02:
        return random.randbytes(random.randint(0, 200))
    for _ in range(random.choice((1, 1, 2, 5))):
        start = random.randint(0, len(data))
        stop = random.randint(start, min(len(data), start + random.choice((0, 1, 8, 200))))
        new = random.choice((b"", random.randbytes(random.randint(1, 8)), data[start:stop] * 2))
        data = data[:start] + new + data[stop:]
    return data


def escaped(target: Target, data: bytes) -> str | None:
    """Return what a decoder does that it must not: another error, or too long a time."""
    began = time.process_time()
    try:
        target.run(data)
    except Exception as error:
        return f"{target.name}: {error!r}\n  {shown(data)}"
    seconds = time.process_time() - began
    if seconds > SECONDS_MAX:
        return f"{target.name}: takes {seconds:.1f} seconds\n  {shown(data)}"
    return None


def shown(data: bytes) -> str:
    """Return an input in hex, or the name of a file with it where it is long."""
    if len(data) <= 1000:
        return f"input {data.hex()}"
    with tempfile.NamedTemporaryFile(prefix="fuzz-", delete=False) as file:
        file.write(data)
    return f"input in {file.name}"


def fuzz(seconds: float, seed: int = 0, *, cases_max: int | None = None) -> tuple[int, list[str]]:
    """Return how many cases were tried, and what escaped; stops at the first that did."""
    random, cases = Random(seed), 0
    all_targets = targets()
    weights = [target.weight for target in all_targets]
    until = time.monotonic() + seconds
    while time.monotonic() < until and (cases_max is None or cases < cases_max):
        target = random.choices(all_targets, weights)[0]
        cases += 1
        found = escaped(target, mutated(random, random.choice(target.examples)))
        if found is not None:
            return cases, [found]
    return cases, []


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    count, wrong = fuzz(*(given or [60]))
    print(f"{count} cases", *wrong, sep="\n")
    sys.exit(1 if wrong else 0)
