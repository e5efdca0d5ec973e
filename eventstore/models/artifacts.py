"""Artifacts: tool outputs too large for a message, kept beside the session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from eventstore.errors import InvalidInputError
from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.record import Record, Size, Text

ARTIFACTS_MAX: Final = 256
ARTIFACT_BYTES_MAX: Final = 16 * 1024 * 1024


class ToolArtifact(Record):
    """The full output of one tool call; its URI is its key."""

    artifact_id: Text
    artifact_uri: Text
    tool_name: Text
    content: Text
    original_bytes: Size
    shown_bytes: Size


class ArtifactManifest(Record):
    """The document in which the artifacts of a session are stored."""

    artifacts: Annotated[tuple[ToolArtifact, ...], REQUIRED] = ()
    retained_uris: Annotated[tuple[Text, ...], OMIT] = ()


class ArtifactStore:
    """The artifacts of one session, in the order in which they were put.

    A put beyond the limits drops the oldest artifacts that are not retained. Reading a stored
    document never drops any: its size raises the limits instead.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        artifacts: Iterable[ToolArtifact] = (),
        *,
        artifacts_max: int = ARTIFACTS_MAX,
        bytes_max: int = ARTIFACT_BYTES_MAX,
    ) -> None:
        """Put *artifacts*, one after the other."""
        self.artifacts_max = artifacts_max
        self.bytes_max = bytes_max
        self._by_uri: dict[str, ToolArtifact] = {}
        self._bytes = 0
        self._manifest = ArtifactManifest()
        for artifact in artifacts:
            self.put(artifact)

    @classmethod
    def from_manifest(cls, manifest: ArtifactManifest) -> Self:
        """Return the store that *manifest* describes, with nothing dropped."""
        store = cls()
        store._manifest = manifest
        for artifact in manifest.artifacts:
            store._add_new(artifact)
        store.artifacts_max = max(ARTIFACTS_MAX, len(store))
        store.bytes_max = max(ARTIFACT_BYTES_MAX, store._bytes)
        return store

    def put(self, artifact: ToolArtifact) -> Self:
        """Add *artifact* at the end, replacing one of the same URI, and return the store."""
        self._remove(artifact.artifact_uri)
        self._add(artifact)
        self._evict()
        return self

    def put_content_addressed(self, artifact: ToolArtifact) -> bool:
        """Add *artifact* unless it is there already; return whether it was added.

        Raises `InvalidInputError` when its URI is bound to anything else.
        """
        added = self._add_new(artifact)
        self._evict()
        return added

    def get(self, uri: str) -> ToolArtifact | None:
        """Return the artifact with *uri*, or None."""
        return self._by_uri.get(uri)

    def retain(self, *uris: str) -> Self:
        """Keep the artifacts with *uris* whatever the limits say, and return the store."""
        retained = tuple(sorted({*self.retained_uris, *uris} - {""}))
        self._manifest = self._manifest.model_copy(update={"retained_uris": retained})
        return self

    def copy(self) -> Self:
        """Return a store with the same artifacts that changes on its own."""
        twin = type(self)(artifacts_max=self.artifacts_max, bytes_max=self.bytes_max)
        twin._by_uri = dict(self._by_uri)
        twin._bytes = self._bytes
        twin._manifest = self._manifest
        return twin

    __copy__ = copy

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return a copy; the artifacts themselves cannot change and are shared."""
        return self.copy()

    @property
    def artifacts(self) -> tuple[ToolArtifact, ...]:
        """The artifacts, oldest first."""
        return tuple(self._by_uri.values())

    @property
    def retained_uris(self) -> tuple[str, ...]:
        """The URIs that no limit removes."""
        return self._manifest.retained_uris

    @property
    def total_bytes(self) -> int:
        """The size of all contents, as UTF-8."""
        return self._bytes

    @property
    def manifest(self) -> ArtifactManifest:
        """The document to store, with the unknown fields of the one that was read."""
        if self._manifest.artifacts == self.artifacts:
            return self._manifest
        return self._manifest.model_copy(update={"artifacts": self.artifacts})

    def to_json_value(self) -> dict[str, Any]:
        """Return the document to store as plain JSON."""
        return self.manifest.model_dump(mode="json")

    def __len__(self) -> int:
        """Count the artifacts."""
        return len(self._by_uri)

    def __bool__(self) -> bool:
        """Be true even when empty: an empty store is still something to save."""
        return True

    def __contains__(self, uri: object) -> bool:
        """Tell whether there is an artifact with this URI."""
        return uri in self._by_uri

    def __iter__(self) -> Iterator[ToolArtifact]:
        """Yield the artifacts, oldest first."""
        return iter(self.artifacts)

    def __eq__(self, other: object) -> bool:
        """Compare artifacts, their order, retained URIs and unknown fields."""
        if not isinstance(other, ArtifactStore):
            return NotImplemented
        return self.manifest == other.manifest

    def __repr__(self) -> str:
        """Show the counts, not the contents."""
        return f"ArtifactStore({len(self)} artifacts, {self._bytes} bytes)"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Read a store from its document, and write it as one."""
        read = core_schema.no_info_after_validator_function(
            cls.from_manifest, handler.generate_schema(ArtifactManifest)
        )
        return core_schema.no_info_wrap_validator_function(
            lambda value, read: value if isinstance(value, cls) else read(value),
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda store: store.manifest
            ),
        )

    def _add_new(self, artifact: ToolArtifact) -> bool:
        """Add *artifact* unless it is there; refuse another one under the same URI."""
        uri = artifact.artifact_uri
        present = self._by_uri.get(uri)
        if present is None:
            self._add(artifact)
            return True
        if present != artifact:
            raise InvalidInputError(f"artifact URI {uri!r} is already bound to other content")
        return False

    def _add(self, artifact: ToolArtifact) -> None:
        """Append one artifact and count its bytes."""
        self._by_uri[artifact.artifact_uri] = artifact
        self._bytes += len(artifact.content.encode())

    def _remove(self, uri: str) -> None:
        """Take out the artifact with *uri*, if there is one."""
        gone = self._by_uri.pop(uri, None)
        if gone is not None:
            self._bytes -= len(gone.content.encode())

    def _evict(self) -> None:
        """Drop the oldest artifacts that are not retained until the limits are met."""
        while len(self._by_uri) > self.artifacts_max or self._bytes > self.bytes_max:
            oldest = next((uri for uri in self._by_uri if uri not in self.retained_uris), None)
            if oldest is None:
                return
            self._remove(oldest)
