"""Messages: what was said, by whom, as blocks of text, images, tool calls and their results."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Tag

from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.record import Flag, Record, Text


class ToolResultTrust(StrEnum):
    """Where the content of a tool result came from."""

    TRUSTED = "trusted"
    WORKSPACE_DATA = "workspace_data"
    EXTERNAL = "external"


class ImageSource(Record):
    """The bytes of an image, encoded as text."""

    type: Annotated[Text, REQUIRED] = "base64"
    media_type: Text
    data: Text


class TextBlock(Record):
    """A piece of text."""

    type: Annotated[Literal["text"], REQUIRED] = "text"
    text: Text


class ImageBlock(Record):
    """An image."""

    type: Annotated[Literal["image"], REQUIRED] = "image"
    source: ImageSource


class ToolUseBlock(Record):
    """A call of a tool, with its arguments as free-form JSON."""

    type: Annotated[Literal["tool_use"], REQUIRED] = "tool_use"
    id: Text
    name: Text
    input: FrozenJson


class OtherBlock(Record):
    """A block of a type this version does not know, kept as it is."""

    type: Text


def _kind_of(value: Any) -> str:
    """Return the type that a block, or the object it is read from, says it has."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else ""


def _part_tag(value: Any) -> str:
    """Choose the type that reads one part of a tool result."""
    kind = _kind_of(value)
    return kind if kind in ("text", "image") else "other"


def _block_tag(value: Any) -> str:
    """Choose the type that reads one block of a message."""
    kind = _kind_of(value)
    return kind if kind in ("text", "image", "tool_use", "tool_result") else "other"


ToolResultPart: TypeAlias = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[OtherBlock, Tag("other")],
    Discriminator(_part_tag),
]


def _result_tag(value: Any) -> str:
    """Tell a plain string from a list of parts."""
    return "text" if isinstance(value, str) else "parts"


ToolResultContent: TypeAlias = Annotated[
    Annotated[Text, Tag("text")] | Annotated[tuple[ToolResultPart, ...], Tag("parts")],
    Discriminator(_result_tag),
]


class ToolResultBlock(Record):
    """What a tool gave back: a string, or a list of text and images."""

    type: Annotated[Literal["tool_result"], REQUIRED] = "tool_result"
    tool_use_id: Text
    content: ToolResultContent
    is_error: Flag | None = None
    trust: Annotated[ToolResultTrust, OMIT] = ToolResultTrust.WORKSPACE_DATA
    redaction_reviewed: Annotated[Flag, OMIT] = False


ContentBlock: TypeAlias = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[OtherBlock, Tag("other")],
    Discriminator(_block_tag),
]


class Message(Record):
    """One message of a conversation."""

    role: Text
    content: tuple[ContentBlock, ...]
    reasoning_content: Annotated[Text | None, OMIT] = None

    @classmethod
    def user(cls, text: str) -> Message:
        """Return a user's message of one text block."""
        return cls(role="user", content=(TextBlock(text=text),))

    @classmethod
    def assistant(cls, text: str) -> Message:
        """Return an assistant's message of one text block."""
        return cls(role="assistant", content=(TextBlock(text=text),))

    @classmethod
    def tool_result(
        cls,
        tool_use_id: str,
        content: str | tuple[ToolResultPart, ...],
        is_error: bool | None = None,
    ) -> Message:
        """Return the message, in the user's role, that answers one tool call."""
        block = ToolResultBlock(tool_use_id=tool_use_id, content=content, is_error=is_error)
        return cls(role="user", content=(block,))

    @property
    def text(self) -> str:
        """The text of all its text blocks, joined."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))
