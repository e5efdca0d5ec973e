"""Fuzz one decoder, led by which of its branches are taken: needs `atheris`.

python -m tests.fuzz.guided TARGET [options of libFuzzer]
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["eventstore"]):
    from tests.fuzz.targets import targets


def main() -> None:
    """Fuzz the decoder that is named first; the rest of the arguments are libFuzzer's."""
    by_name = {target.name: target for target in targets()}
    target = by_name[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
