"""Directories that the real a3s-code wrote come out of a store as they went in."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore import EventStore
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.importer import import_paths
from eventstore.models.a3s import SessionData

VERSIONS = ("2.1.0", "3.1.0")
IDS = [
    "plain",
    "plan",
    "policies",
    "resumed",
    "stream",
    "team/alpha..1",
    "team/alpha..1/child",
]


def files_of(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_import_and_export_change_no_byte(
    store: EventStore, shared: Path, tmp_path: Path, version: str
) -> None:
    """All five kinds of file are exported byte for byte, and no other file is."""
    golden = shared / "golden" / f"a3s-code-{version}" / "store"
    imported = import_paths(store, [golden])
    assert imported.ok and not imported.warnings
    assert imported.sessions == store.list() == IDS
    assert imported.versions_added == len(IDS)
    assert imported.size == sum(map(len, files_of(golden).values()))
    exported = export_a3s(store, None, tmp_path / "out")
    assert exported.ok and not exported.warnings
    assert files_of(tmp_path / "out") == files_of(golden)
    assert exported.files == len(files_of(golden))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_one_version_with_all_its_parts(
    store: EventStore, shared: Path, version: str
) -> None:
    """The five files of a session are committed together, empty ones too, and load as models."""
    import_paths(store, [shared / "golden" / f"a3s-code-{version}" / "store"])
    for id in IDS:
        (only,) = store.history(id)
        assert set(only.parts) == {
            "session",
            "artifacts",
            "trace_events",
            "run_records",
            "verification_reports",
        }
        assert only.actor == "import"
        assert isinstance(store.load(id), SessionData)
        assert store.load_artifacts(id) is not None
        assert store.load_run_records(id)
        assert store.load_trace_events(id) is not None
        assert store.load_verification_reports(id) is not None


def test_importing_again_writes_nothing(store: EventStore, shared: Path) -> None:
    """Unchanged files are no new versions."""
    golden = shared / "golden" / "a3s-code-3.1.0" / "store"
    import_paths(store, [golden])
    again = import_paths(store, [golden])
    assert again.ok and again.versions_added == 0
    assert again.sessions == IDS


def test_the_next_generation_is_a_second_version(
    store: EventStore, shared: Path, tmp_path: Path
) -> None:
    """Two directories of the same sessions make two versions, each exported as it was."""
    for version in VERSIONS:
        import_paths(store, [shared / "golden" / f"a3s-code-{version}" / "store"])
    for number, version in enumerate(VERSIONS, start=1):
        export_a3s(store, None, tmp_path / version, at=number)
        golden = shared / "golden" / f"a3s-code-{version}" / "store"
        assert files_of(tmp_path / version) == files_of(golden)
