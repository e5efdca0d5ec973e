"""The documentation is true: its examples run, print what they say, and its links lead on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore, Message, SessionData
from eventstore.models.oxios import Session

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {ROOT / "docs" / "format.md", ROOT / "docs" / "cli.md"}
WIDTH_MAX = 100

DEMO = "python3 -m venv .venv && .venv/bin/pip install -q '.[cli]' && .venv/bin/eventstore demo"
TESTS = (
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[cli,dev]' "
    "&& .venv/bin/python -m pytest -q -n 2"
)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PRINTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)
TEST_PATH = re.compile(r"`(tests/[\w./-]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, text, first line, and the output shown behind it if any."""

    language: str
    text: str
    line: int
    output: str | None


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    source = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(source))
    blocks = []
    for index, fence in enumerate(found):
        after = found[index + 1] if index + 1 < len(found) else None
        shown = (
            after is not None
            and after[1] == "text"
            and not source[fence.end() : after.start()].strip()
        )
        line = source.count("\n", 0, fence.start(2)) + 1
        blocks.append(Block(fence[1], fence[2], line, after[2] if shown and after else None))
    return blocks


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def is_run(page: Path, block: Block) -> bool:
    """Whether a block is an example to be run, and not a command for developers."""
    if block.language == "python":
        return True
    return block.language == "sh" and (
        block.text.startswith("eventstore ") or page.parent.name == "how-to"
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to run examples in, with the files they start from and the commands they use."""
    home, work, bin_ = tmp_path / "home", tmp_path / "work", tmp_path / "bin"
    for directory in (home, work, bin_):
        directory.mkdir()
    digest = "import sys, blake3; print(blake3.blake3(sys.stdin.buffer.read()).hexdigest(), ' -')"
    make_command(bin_ / "eventstore", "-m", "eventstore.cli")
    make_command(bin_ / "b3sum", "-c", digest)
    make_transcript(home / ".claude" / "projects" / "demo" / f"{TRANSCRIPT}.jsonl")
    make_transcript(work / "chat.jsonl")
    make_a3s_directory(work / ".a3s" / "sessions")
    make_oxios_directory(work / "oxios" / "state")
    make_run(work / "run.traj")
    (work / "states.jsonl").write_text('{"id":"a","n":1}\n{"id":"a","n":2}\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("EVENTSTORE_STORE", raising=False)
    monkeypatch.chdir(work)
    return work


def make_command(path: Path, *arguments: str) -> None:
    """Make a command that runs this Python with *arguments*."""
    command = shlex.join([sys.executable, *arguments])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


TRANSCRIPT = "0f4d9f2e-6f0c-4f57-9a57-3a3c6c1f7a01"


def make_transcript(path: Path) -> None:
    """Write a Claude Code transcript of three records."""
    said: list[tuple[str, Any]] = [
        ("user", "Why does login fail?"),
        ("assistant", [{"type": "text", "text": "Let me read the cookie code."}]),
        ("assistant", [{"type": "text", "text": "The cookie expires at once."}]),
    ]
    lines, parent = [], None
    for number, (role, content) in enumerate(said, 1):
        message: dict[str, Any] = {"role": role, "content": content}
        if role == "assistant":
            usage = {"input_tokens": 10, "output_tokens": 5}
            message |= {"id": f"msg_{number}", "type": "message", "model": "m", "usage": usage}
        record = {
            "parentUuid": parent,
            "isSidechain": False,
            "cwd": "project",
            "sessionId": TRANSCRIPT,
            "version": "2.0.0",
            "type": role,
            "message": message,
            "uuid": (parent := f"00000000-0000-4000-8000-00000000000{number}"),
            "timestamp": f"2026-01-31T10:00:0{number}.000Z",
        }
        lines.append(json.dumps(record) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def make_a3s_directory(directory: Path) -> None:
    """Write what a3s-code writes for one session."""
    session = SessionData(
        id="fix-login",
        messages=(Message.user("Why does login fail?"), Message.assistant("The cookie.")),
        created_at=1_769_853_600,
        updated_at=1_769_853_660,
    )
    documents = {
        "fix-login.json": session.model_dump(mode="json"),
        "artifacts/fix-login/artifacts.json": {"artifacts": []},
        "traces/fix-login.json": [],
        "runs/fix-login.json": [],
        "verification/fix-login.json": [],
    }
    for name, document in documents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")


def make_oxios_directory(directory: Path) -> None:
    """Write what oxios writes for one session and two documents."""
    session = Session.with_id("user-123", "build-log").add_user_message("Summarise it.")
    documents = {
        "sessions/build-log.json": session.model_dump_json(indent=2),
        "memory/facts/language.md": "# Language\n\nThe user reads French.\n",
        "cron/jobs.json": "[]",
    }
    for name, text in documents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def make_run(path: Path) -> None:
    """Write what SWE-agent writes of a run of one step."""
    steps = [{"action": "ls", "observation": "setup.py", "response": "Look.", "thought": "Look."}]
    path.write_text(json.dumps({"trajectory": steps, "info": {}}), encoding="utf-8")


def make_store(directory: Path) -> None:
    """Make the store that the examples of the command line ask."""
    with EventStore.open(directory) as store:
        session = SessionData(id="fix-login", state="Active")
        for turn in range(20):
            said = Message.user(f"turn {turn}")
            session = session.model_copy(update={"messages": (*session.messages, said)})
            store.save(session)


def run_python(page: Path, block: Block, namespace: dict[str, Any]) -> str:
    """Run a block in the page's namespace and return what it prints."""
    printed = io.StringIO()
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def run_shell(block: Block) -> str:
    """Run a block as a script and return what it prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block.text}{done.stdout}{done.stderr}"
    return done.stdout


def check_printed(block: Block, printed: str) -> None:
    """Check that the comments behind `print` are printed, in their order."""
    lines: Iterator[str] = iter(printed.splitlines())
    for expected in PRINTED.findall(block.text):
        assert any(line == expected for line in lines), f"not printed: {expected}\n{printed}"


def check_output(block: Block, printed: str) -> None:
    """Check the output shown behind a command line for line; `…` stands for anything."""
    if block.output is None:
        return
    expected = [" ".join(line.split()) for line in block.output.splitlines()]
    found = [" ".join(line.split()) for line in printed.splitlines()]
    assert len(expected) == len(found), printed
    for pattern, line in zip(expected, found, strict=True):
        regex = ".*".join(map(re.escape, pattern.split("…")))
        assert re.fullmatch(regex, line), f"{pattern!r} is not {line!r}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_run(page: Path, here: Path) -> None:
    """Every example of a page runs, in order, and prints what the page says."""
    if page.name == "cli.md":
        make_store(here / "sessions")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in filter(lambda block: is_run(page, block), blocks_of(page)):
        if block.language == "python":
            check_printed(block, run_python(page, block, namespace))
        else:
            check_output(block, run_shell(block))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the repository, and a heading in it if it names one."""
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_relative_to(ROOT) and file.is_file(), target
        if heading:
            titles = HEADING.findall(file.read_text(encoding="utf-8"))
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in anchors, target


def test_every_page_can_be_found() -> None:
    """Every page of the documentation is linked from its index."""
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / target.partition("#")[0]).resolve()
        for target in LINK.findall(index.read_text(encoding="utf-8"))
    }
    assert {page for page in PAGES if page not in (README, index)} <= linked


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_are_named_exist(page: Path) -> None:
    """A test that a page names as evidence is there."""
    for name in TEST_PATH.findall(page.read_text(encoding="utf-8")):
        path = ROOT / name
        assert path.is_file() or any(path.glob("test_*.py")), name


@pytest.mark.parametrize("page", [p for p in PAGES if p not in GENERATED], ids=name_of)
def test_lines_are_short(page: Path) -> None:
    """Lines of prose fit a screen; tables and blocks may be wider."""
    for line in FENCE.sub("", page.read_text(encoding="utf-8")).splitlines():
        assert len(line) <= WIDTH_MAX or line.startswith("|"), line


def test_the_design_names_every_room() -> None:
    """The tour of the rooms leaves none out, and shows none that is not there."""
    section = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = [line for line in section.splitlines() if re.match(r"\| (\d|door|\|)", line)]
    named = set(re.findall(r"`([\w/]+)`", " ".join(row.split("|")[2] for row in table)))
    package = ROOT / "eventstore"
    rooms = {path.stem for path in package.glob("*.py")}
    rooms |= {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert named == rooms


def test_the_readme_starts_with_its_two_commands() -> None:
    """The first two commands try the project and test it, each on its own."""
    commands = [block.text.strip() for block in blocks_of(README) if block.language == "sh"]
    assert commands[:2] == [DEMO, TESTS]


def test_the_gate_runs_the_second_command() -> None:
    """What `.ci/run` takes out of the README is the test command."""
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    program = re.search(r"<<'PY'\n(.*?)^PY$", gate, re.M | re.S)
    assert program is not None
    done = subprocess.run(
        [sys.executable, "-c", program[1]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == TESTS
    assert 'bash -euo pipefail -c "$command"' in gate
