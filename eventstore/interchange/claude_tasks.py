"""The task list of a Claude Code session, from the calls of the tools that keep it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.interchange.claude_records import text_of
from eventstore.models.a3s import Task, TaskPriority, TaskStatus

_STATUSES = {status.value for status in TaskStatus}
_PRIORITIES = {priority.value for priority in TaskPriority}


class TaskList:
    """The tasks as of the last call."""

    def __init__(self) -> None:
        """Start without tasks."""
        self._tasks: dict[str, Task] = {}
        self._created = 0

    def __iter__(self) -> Iterator[Task]:
        """Iterate over the tasks, in order."""
        return iter(self._tasks.values())

    def apply(self, tool: str, arguments: Any) -> None:
        """Take over what a call does to the list; other tools change nothing."""
        if not isinstance(arguments, dict):
            return
        if tool == "TodoWrite" and isinstance(arguments.get("todos"), list):
            todos = [todo for todo in arguments["todos"] if isinstance(todo, dict)]
            self._tasks = {str(at): _task(str(at), todo) for at, todo in enumerate(todos, start=1)}
        elif tool == "TaskCreate":
            self._created += 1
            id = str(self._created)
            self._tasks[id] = _task(id, {**arguments, "content": arguments.get("subject")})
        elif tool == "TaskUpdate":
            self._update(str(arguments.get("taskId")), arguments)

    def _update(self, id: str, arguments: dict[str, Any]) -> None:
        """Change or remove one task."""
        if id not in self._tasks:
            return
        if arguments.get("status") == "deleted":
            del self._tasks[id]
            return
        old = self._tasks[id]
        self._tasks[id] = Task(
            id=id,
            content=text_of(arguments.get("subject")) or old.content,
            status=_one_of(_STATUSES, arguments.get("status"), old.status),
            priority=old.priority,
        )


def _task(id: str, todo: dict[str, Any]) -> Task:
    """Return a task from what a tool call says of it."""
    return Task(
        id=id,
        content=text_of(todo.get("content")) or "",
        status=_one_of(_STATUSES, todo.get("status"), TaskStatus.PENDING),
        priority=_one_of(_PRIORITIES, todo.get("priority"), TaskPriority.MEDIUM),
    )


def _one_of(values: set[str], value: Any, default: str) -> Any:
    """Return *value* if it is one of *values*."""
    return value if isinstance(value, str) and value in values else default
