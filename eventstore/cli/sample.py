"""A small agent session to try things on: asked to tidy a project, the agent deletes too much."""

from __future__ import annotations

from collections.abc import Iterator

from eventstore.models.config import SessionConfig
from eventstore.models.messages import ContentBlock, Message, TextBlock, ToolUseBlock
from eventstore.models.session import SessionData, SessionState

SAMPLE_ID = "tidy-project"
MISTAKE = 8
"""The version whose last message deletes a directory that nothing can bring back."""
SUBJECT = "fixtures"
"""The directory it deletes."""

_SECONDS_A_TURN = 7

_LISTING = """\
Makefile   README.md   build/   dist/   fixtures/   src/   tests/
build/     312 files    48 MB   changed today
dist/        4 files    11 MB   changed today
fixtures/   86 files   2.3 MB   changed 2023-05-02
src/        41 files   190 kB   changed today
tests/      23 files    77 kB   changed today"""

_README = """\
# harbour

Plans the berths of a container port.

## Layout

- `src/`       the planner
- `tests/`     its tests; `make test` runs them
- `fixtures/`  sample tides and ship calls, made by `make fixtures`
- `build/`, `dist/`  made by `make`

## Release

1. Update `CHANGELOG.md`.
2. `make clean && make && make test`
3. `make publish`"""

_FAILURE = """\
make: *** No rule to make target 'fixtures'.  Stop.
tests/test_tides.py::test_spring_tide ERROR
tests/test_calls.py::test_two_ships_one_berth ERROR
FileNotFoundError: [Errno 2] No such file or directory: 'fixtures/tides-2023.csv'
2 errors, 61 passed in 4.18s"""

_HISTORY = """\
a41f09c  2023-05-02  Drop the fixtures generator: the tide service is gone; keep our recordings
         Makefile | 6 ------
.gitignore:3: fixtures/"""


def sample_turns(end: int) -> Iterator[SessionData]:
    """Yield the session after each of its messages, the last at *end*, in Unix seconds."""
    messages = _messages()
    start = end - _SECONDS_A_TURN * len(messages)
    for count in range(1, len(messages) + 1):
        yield SessionData(
            id=SAMPLE_ID,
            config=SessionConfig(
                name="Tidy the project before 2.0",
                workspace="harbour",
                system_prompt="You are a careful engineer. Keep the tests green.",
                max_context_length=200_000,
            ),
            state=SessionState.COMPLETED if count == len(messages) else SessionState.ACTIVE,
            messages=messages[:count],
            model_name="sample-model",
            tool_names=("bash", "read"),
            created_at=start,
            updated_at=start + _SECONDS_A_TURN * count,
        )


def _messages() -> tuple[Message, ...]:
    """Return the whole conversation."""
    return (
        Message.user("Tidy this project before we tag 2.0: remove everything that is generated."),
        _call(1, "I'll look at what is there.", "bash", command="ls && du -sh */"),
        Message.tool_result("call_1", _LISTING),
        _call(2, "Which of these are generated? The README may say.", "read", path="README.md"),
        Message.tool_result("call_2", _README),
        _call(3, "build/ and dist/ are made by make.", "bash", command="rm -rf build dist"),
        Message.tool_result("call_3", ""),
        _call(4, "fixtures/ is generated too.", "bash", command="rm -rf fixtures"),
        Message.tool_result("call_4", ""),
        _call(5, "Making it again.", "bash", command="make fixtures; make test"),
        Message.tool_result("call_5", _FAILURE, is_error=True),
        _call(6, "Why is there no rule?", "bash", command="git log -1 --stat -- Makefile"),
        Message.tool_result("call_6", _HISTORY),
        Message.assistant(
            "I deleted fixtures/ and cannot bring it back: these were recordings, ignored by git, "
            "and the rule that once made them is gone. I had verified that they are generated."
        ),
    )


def _call(number: int, text: str, tool: str, **arguments: str) -> Message:
    """Return an assistant's message that says something and calls a tool."""
    use = ToolUseBlock(id=f"call_{number}", name=tool, input=arguments)
    content: tuple[ContentBlock, ...] = (TextBlock(text=text), use)
    return Message(role="assistant", content=content)
