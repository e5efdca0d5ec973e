"""git: one file for each session, one commit for every save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygit2
from pydantic_core import from_json, to_json
from pygit2.enums import FileMode, ObjectType, Option

from benchmarks.peer import Peer
from benchmarks.turns import Turn


class GitRepository(Peer):
    """A bare repository with one branch for each session."""

    name = "git"
    about = "git (libgit2), one commit of pretty JSON for every version, loose objects"
    durability = "libgit2's fsync of objects and references is switched on"
    distributions = ("pygit2",)
    has_versions = True
    is_whole = True
    has_threads = False
    is_general = True

    def __init__(self, folder: Path) -> None:
        """Open or make the repository."""
        pygit2.option(Option.ENABLE_FSYNC_GITDIR, True)
        self._repository = pygit2.init_repository(str(folder / "sessions.git"), bare=True)
        self._commits: dict[tuple[str, int], pygit2.Oid] = {}

    def save(self, turn: Turn) -> None:
        """Write blob, tree and commit."""
        repository = self._repository
        blob = repository.create_blob(to_json(turn.document, indent=2))
        builder = repository.TreeBuilder()
        builder.insert("session.json", blob, FileMode.BLOB)
        author = pygit2.Signature("bench", "bench@example.org", turn.number, 0)
        branch = f"refs/heads/{turn.id}"
        head = repository.references.get(branch)
        self._commits[turn.id, turn.number] = repository.create_commit(
            branch,
            author,
            author,
            f"turn {turn.number}",
            builder.write(),
            [] if head is None else [head.target],
        )

    def load(self, id: str, number: int | None = None) -> Any:
        """Read the file of a commit."""
        commit = (
            self._repository.references[f"refs/heads/{id}"].target
            if number is None
            else self._commits[id, number]
        )
        tree = self._repository[commit].peel(ObjectType.TREE)
        return from_json(tree["session.json"].data)

    def close(self) -> None:
        """Let go of the repository."""
        self._repository.free()
