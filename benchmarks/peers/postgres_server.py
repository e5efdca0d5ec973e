"""A PostgreSQL server of one's own, in a folder, for as long as it is needed."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.peer import MissingError

_PLACES = "/usr/lib/postgresql"
_OPTIONS = "-c listen_addresses='' -c unix_socket_permissions=0700"


class PostgresServer:
    """A server that listens on a Unix socket only, with PostgreSQL's own defaults otherwise.

    It refuses to run as root, so root runs it as the user `postgres`, or as `nobody`.
    """

    def __init__(self, folder: Path) -> None:
        """Start a server in *folder*, making its cluster first where there is none."""
        self._programs = _programs()
        self._as = _other_user() if os.geteuid() == 0 else {}
        self._data = folder / "cluster"
        # The path of a socket has at most 107 bytes, which folders of benchmarks may exceed.
        self._socket = Path(tempfile.mkdtemp(prefix="pg-"))
        is_new = not self._data.is_dir()
        if is_new:
            self._data.mkdir(mode=0o700)
        if self._as:
            for path in (self._data, self._socket):
                shutil.chown(path, self._as["user"])
        if is_new:
            self._run(
                "initdb", "--auth=trust", "--username=bench", "--encoding=UTF8", "--no-locale"
            )
        self._run("pg_ctl", "-w", "-s", "-l", str(self._data / "log"), "-o",
                  f"{_OPTIONS} -c unix_socket_directories={self._socket}", "start")  # fmt: skip
        # A benchmark that fails in between leaves no server behind.
        atexit.register(self.stop)
        self.address = f"host={self._socket} user=bench dbname=postgres"
        self.empty_size = self._database_size() if is_new else 0

    def stop(self) -> None:
        """Stop the server."""
        atexit.unregister(self.stop)
        self._run("pg_ctl", "-w", "-s", "-m", "fast", "stop")
        shutil.rmtree(self._socket)

    def _database_size(self) -> int:
        """Return what the database takes before anything is in it."""
        with psycopg.connect(self.address) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None, "a question about a size has an answer"
        return int(row[0])

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on the cluster."""
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        # The server keeps the descriptors it inherits, so a pipe would never end.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                command, stdout=said, stderr=said, cwd="/", check=False, **self._as
            )
            if done.returncode:
                said.seek(0)
                raise MissingError(f"{program} failed: {said.read()[-500:]}")


def server_version() -> str:
    """Return the version of the server that would be started."""
    command = [str(_programs() / "postgres"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def _programs() -> Path:
    """Return the folder with PostgreSQL's programs, which need not be on the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path(_PLACES).glob("*/bin"), key=_number, reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
            return folder
    raise MissingError("no PostgreSQL server is installed (initdb, pg_ctl)")


def _number(folder: Path) -> int:
    """Return the major version that a folder of programs has in its path."""
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _other_user() -> dict[str, Any]:
    """Return the options that run a program as somebody without rights."""
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise MissingError("PostgreSQL does not run as root, and there is no user to run it as")
