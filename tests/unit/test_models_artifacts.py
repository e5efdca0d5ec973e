"""The artifact store: order, limits, retention, and its document."""

import copy
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from eventstore.errors import InvalidInputError
from eventstore.models.a3s import ArtifactStore, ToolArtifact

STORE = TypeAdapter(ArtifactStore)


def artifact(name: str, content: str = "x", **extra: Any) -> ToolArtifact:
    """Return an artifact whose URI is *name*."""
    return ToolArtifact.model_validate(
        {
            "artifact_id": name,
            "artifact_uri": name,
            "tool_name": "bash",
            "content": content,
            "original_bytes": 1,
            "shown_bytes": 1,
            **extra,
        }
    )


def uris(store: ArtifactStore) -> list[str]:
    """Return the URIs of *store*, oldest first."""
    return [item.artifact_uri for item in store]


def test_artifacts_are_kept_in_the_order_of_putting() -> None:
    """Putting one again moves it to the end and replaces it."""
    store = ArtifactStore([artifact("a"), artifact("b")]).put(artifact("a", "new"))
    assert uris(store) == ["b", "a"]
    assert len(store) == 2
    assert "b" in store
    found = store.get("a")
    assert found is not None
    assert found.content == "new"
    assert store.get("c") is None


def test_the_oldest_artifacts_make_room() -> None:
    """Beyond the count, artifacts leave in the order in which they came."""
    store = ArtifactStore(artifact(str(n)) for n in range(258))
    assert len(store) == 256
    assert uris(store)[0] == "2"


def test_the_size_limit_counts_utf8_bytes() -> None:
    """Two bytes of content for one letter are two bytes."""
    store = ArtifactStore(bytes_max=5).put(artifact("a", "éé")).put(artifact("b", "éé"))
    assert uris(store) == ["b"]
    assert store.total_bytes == 4


def test_retained_artifacts_outlive_the_limits() -> None:
    """Others leave first; when only retained ones are left, nothing leaves."""
    store = ArtifactStore(artifacts_max=2).put(artifact("a")).retain("a")
    for name in "bcd":
        store.put(artifact(name))
    assert uris(store) == ["a", "d"]
    store.retain("d").put(artifact("e")).retain("e").put(artifact("a", "new"))
    assert store.retained_uris == ("a", "d", "e")
    assert uris(store) == ["d", "a"]


def test_a_content_address_is_bound_once() -> None:
    """The same artifact again is no news; another one under its URI is refused."""
    store = ArtifactStore()
    assert store.put_content_addressed(artifact("a")) is True
    assert store.put_content_addressed(artifact("a")) is False
    with pytest.raises(InvalidInputError):
        store.put_content_addressed(artifact("a", "other"))
    found = store.get("a")
    assert found is not None
    assert found.content == "x"


@pytest.mark.parametrize(
    "text",
    [
        b'{"artifacts":[]}',
        b'{"artifacts":[],"retained_uris":[]}',
        b'{"x":1,"artifacts":[],"retained_uris":["a"],"y":{"z":[]}}',
    ],
)
def test_the_document_is_written_as_it_was_read(text: bytes) -> None:
    """Unknown fields, and fields of other versions, stay where they were."""
    store = STORE.validate_json(text)
    assert STORE.dump_json(store) == text
    assert STORE.dump_json(store.copy()) == text
    assert STORE.dump_json(pickle.loads(pickle.dumps(store))) == text


def test_unknown_fields_outlive_a_put() -> None:
    """Only the artifacts change."""
    store = STORE.validate_json(b'{"x":1,"artifacts":[],"retained_uris":[]}')
    store.put(artifact("a", later=True))
    value = store.to_json_value()
    assert list(value) == ["x", "artifacts", "retained_uris"]
    assert value["artifacts"][0]["later"] is True


@pytest.mark.parametrize("text", [b"[]", b"{}", b'{"artifacts":[{"artifact_id":"a"}]}', b"null"])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    """A bare list is not a document, and every field of an artifact is required."""
    with pytest.raises(ValidationError):
        STORE.validate_json(text)


def test_reading_never_drops_artifacts() -> None:
    """A stored document beyond the limits is kept whole, and can still grow at its size."""
    document = {"artifacts": [artifact(str(n)).model_dump() for n in range(300)]}
    store = STORE.validate_python(document)
    assert len(store) == 300
    assert uris(store.put(artifact("new")))[-1] == "new"
    assert len(store) == 300


def test_a_store_is_validated_as_itself() -> None:
    """An existing store passes through untouched."""
    store = ArtifactStore([artifact("a")])
    assert STORE.validate_python(store) is store


def test_copies_are_equal_and_independent() -> None:
    """A copy has the same artifacts, and changes on its own."""
    store = ArtifactStore([artifact("a")])
    for twin in (store.copy(), copy.copy(store), copy.deepcopy(store)):
        assert twin == store
        twin.put(artifact("b"))
        assert twin != store
    assert uris(store) == ["a"]


def test_an_empty_store_is_something() -> None:
    """It is true, so that it is saved like any other."""
    assert ArtifactStore()
    assert ArtifactStore() == ArtifactStore()
    assert ArtifactStore() != 1
