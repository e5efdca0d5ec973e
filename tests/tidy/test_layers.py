"""The house: imports go down, rooms stay small, and nothing else touches the disk."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "eventstore"
MODULES = sorted(PACKAGE.rglob("*.py"))
LINES_MAX = 300

# Storeys as in the design; rooms of one storey that build on each other stand on half-steps
# (docs/decisions/0001-half-steps.md).
FLOORS = {
    "errors": 0,
    "address": 0,
    "notebook": 0,
    "fs": 0,
    "commit": 1,
    "backend": 1,
    "models.json_value": 1,
    "models": 1.5,
    "session_store": 1.9,
    "leb128": 2,
    "frame": 2,
    "stream": 2,
    "image": 2.05,
    "payload": 2.1,
    "delta": 2.1,
    "packed": 2.1,
    "common": 2,
    "hashing": 2.2,
    "advance": 2.2,
    "content": 2.3,
    "chain": 2.3,
    "trail": 2.4,
    "repack": 2.45,
    "thinning": 2.5,
    "addition": 2.35,
    "part_writer": 2.4,
    "gap": 2.2,
    "place": 2,
    "ranges": 2,
    "rebuilder": 2.4,
    "json_rules": 2,
    "state": 2.05,
    "views": 2,
    "parts": 2,
    "input": 2.1,
    "rewrite": 2.1,
    "texts": 2,
    "alignment": 2,
    "outline": 2,
    "patch": 2,
    "compare": 2.1,
    "append": 2.1,
    "events": 2.2,
    "fold": 2.3,
    "retelling": 2.3,
    "wording": 2.3,
    "difference": 2.4,
    "backends": 2.5,
    "log_frames": 3,
    "draft": 3.1,
    "log_chain": 3.1,
    "log_tail": 3.1,
    "log_parts": 3.1,
    "log_states": 3.2,
    "log_steady": 3,
    "log_end": 3.25,
    "log_reader": 3.3,
    "log_history": 3.33,
    "log_standing": 3.34,
    "log": 3.35,
    "log_walk": 3.38,
    "parcel": 2.5,
    "intake": 3.4,
    "marks": 3.2,
    "session_info": 3.1,
    "index_rows": 3.2,
    "index_database": 3.3,
    "index_tables": 3.35,
    "index": 3.4,
    "at": 3.4,
    "recheck": 3.2,
    "compact": 4,
    "feed": 3.45,
    "search_query": 3.2,
    "search_index": 3.46,
    "history": 3.5,
    "catalog": 3.5,
    "watch": 3.6,
    "lineage": 3.5,
    "checked": 3.5,
    "examination": 4,
    "examine": 4.1,
    "verdict": 4.1,
    "verify": 4.2,
    "mend": 4.1,
    "backup": 4.2,
    "repaired": 4,
    "refound": 4.1,
    "reseal": 4,
    "repair": 4.3,
    "desk": 4.9,
    "store": 5,
    "aio": 5.5,
    "": 5.9,
    "testing": 6,
    "adapters": 6,
    "interchange": 6.2,
    "cli": 6.5,
}
# Families of rooms whose members may build on each other, as long as there is no circle.
FAMILIES = {"models", "backends", "desk", "testing", "adapters", "interchange", "cli"}
OS_ALLOWED = {"path", "fspath", "PathLike", "urandom", "getpid", "register_at_fork"}
DISK = {"fcntl", "shutil", "mmap"}


def name_of(path: Path) -> str:
    """Return a module's name below the package, such as `backends.file`."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(name: str) -> float:
    """Return the storey of a module."""
    while name not in FLOORS:
        assert "." in name, f"{name!r} has no storey"
        name = name.rpartition(".")[0]
    return FLOORS[name]


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    """A module imports only from storeys strictly below its own, or from its own family."""
    here = name_of(path)
    for target in imports_of(path):
        if target.partition(".")[0] != "eventstore":
            continue
        name = target.partition(".")[2]
        if here.partition(".")[0] == name.partition(".")[0] and here.partition(".")[0] in FAMILIES:
            continue
        assert floor_of(name) < floor_of(here), f"{here} -> {name}"


def test_families_have_no_circles() -> None:
    """Within a family, imports make no circle."""
    graph = {
        name_of(path): {t.partition(".")[2] for t in imports_of(path) if "eventstore." in t}
        for path in MODULES
    }

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        for target in graph.get(name, ()):
            visit(target, (*trail, name))

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_stay_small(path: Path) -> None:
    """No file outgrows a few screens."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_MAX, f"{name_of(path)} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_fs_touches_the_disk(path: Path) -> None:
    """No module below the street but `fs` opens files or calls the system about them."""
    name = name_of(path)
    if name == "fs" or floor_of(name) >= 6:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not DISK & set(imports_of(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            assert node.id != "open", f"{name}:{node.lineno}"
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os":
            assert node.attr in OS_ALLOWED, f"{name}:{node.lineno} os.{node.attr}"
