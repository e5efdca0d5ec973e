"""Places of oxios documents: which names are taken, and that no two share an id."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.errors import InvalidInputError
from eventstore.models.oxios_place import JSON, MARKDOWN, SESSIONS, Place, check_category

BAD_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a..b",
    "a/b",
    "/a",
    "a/",
    "a\\b",
    "..\\x",
    "nul\0byte",
    "n" * 251,
    "\u00e9" * 126,
    "half\ud800",
    None,
    5,
    b"x",
]
GOOD_NAMES = ["a", ".a", "a.b", "CON", "aux.txt", "a:b", "end.", " x ", "🦀", "n" * 250, "a\nb"]


@pytest.mark.parametrize("name", [name for name in BAD_NAMES if name != "."])
def test_bad_names_are_refused(name: Any) -> None:
    """A name that leads elsewhere, or that no file can have, is refused, naming the field."""
    with pytest.raises(InvalidInputError) as caught:
        Place("notes", name, JSON)
    assert caught.value.field == "name"
    with pytest.raises(InvalidInputError) as caught:
        Place.of_session(name)
    assert caught.value.field == "session_id"


@pytest.mark.parametrize(
    "category",
    [name for name in BAD_NAMES if name not in ("a/b", "n" * 251, "\u00e9" * 126)]
    + ["a//b", "a/./b", "./a", "a/../b", "n" * 256, "a/" * 600 + "a"],
)
def test_bad_categories_are_refused(category: Any) -> None:
    """A category is components with single slashes between them, none of which leads elsewhere."""
    with pytest.raises(InvalidInputError) as caught:
        Place(category, "x", MARKDOWN)
    assert caught.value.field == "category"


@pytest.mark.parametrize("name", GOOD_NAMES)
@pytest.mark.parametrize("category", [SESSIONS, "notes", "a/b/c", "a.json/b"])
def test_names_of_any_system_are_taken(category: str, name: str) -> None:
    """Names that only other systems dislike are taken, and found again by their id."""
    check_category(category)
    for suffix in (JSON, MARKDOWN):
        place = Place(category, name, suffix)
        assert Place.of_id(place.id) == place
        assert place.path == f"{category}/{name}{suffix}"


def test_a_session_has_its_own_id() -> None:
    """The id of a session is its name; the path of one is nobody's id."""
    assert Place.of_session("x") == Place(SESSIONS, "x", JSON)
    assert Place.of_session("x").id == "x"
    assert Place(SESSIONS, "x", MARKDOWN).id == "sessions/x.md"
    assert Place.of_id("sessions/x.json") is None


def test_another_suffix_is_none() -> None:
    """There are two kinds of documents."""
    with pytest.raises(InvalidInputError):
        Place("a", "b", ".txt")
    assert Place.of_id("a/b.txt") is None


@pytest.mark.parametrize("id", ["", "a/", "/a.md", "a/.md", "../x.md", "a..b", "a//b.md", "x\0"])
def test_an_id_of_no_document_has_no_place(id: str) -> None:
    """What no document can have for an id is not taken for a path."""
    assert Place.of_id(id) is None


texts = st.text(st.sampled_from("ab./\\é"), max_size=6)


@given(texts, texts, st.sampled_from([JSON, MARKDOWN]), texts, texts)
def test_no_two_documents_share_an_id(
    category: str, name: str, suffix: str, other_category: str, other_name: str
) -> None:
    """Different places have different ids, and an id leads back to its place."""
    try:
        place = Place(category, name, suffix)
        other = Place(other_category, other_name, suffix)
    except InvalidInputError:
        return
    assert (place.id == other.id) == (place == other)
    assert Place.of_id(place.id) == place
