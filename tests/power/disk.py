"""A real file system on a loop device, whose power can be cut.

The cut is the file system's own: `FS_IOC_SHUTDOWN` stops it at once and throws away all that was
not synced. What is there after the next mount is what a power cut leaves.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_SHUTDOWN = 0x8004587D
"""_IOR('X', 125, __u32), the same for ext4 and XFS."""
_WITHOUT_FLUSHING_THE_LOG = (2).to_bytes(4, "little")

MAKERS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
SIZES = {"ext4": 64 * 2**20, "xfs": 320 * 2**20}


def missing(kind: str) -> str:
    """Return why there can be no such disk here; nothing if there can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    for tool in (MAKERS[kind][0], "losetup", "mount", "umount"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    try:
        with tempfile.TemporaryDirectory() as directory, Disk(Path(directory), kind):
            return ""
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        return f"{error.cmd[0]} does not work here: {said}"


class Disk:
    """One file system in a file under a directory, mounted at `place`."""

    def __init__(self, directory: Path, kind: str, *, starved: int = 0) -> None:
        """Describe a disk; with *starved*, its medium has room for so many bytes only."""
        self.place = directory / "mounted"
        self._medium = directory / "medium"
        self._kind = kind
        self._starved = starved
        self._device = ""

    def __enter__(self) -> Self:
        """Make it and mount it."""
        self.place.mkdir()
        self._medium.mkdir()
        try:
            # In memory, because a cut is the file system's: what it was told to keep is kept.
            self._mount_medium(f"size={self._starved or 2**30}")
            image = self._medium / "image"
            with image.open("wb") as file:
                file.truncate(SIZES[self._kind])
            run("losetup", "--find", "--show", str(image))
            self._device = run("losetup", "--associated", str(image)).split(":")[0]
            if self._starved:
                # One page a request: a loop device may call a write that was cut short a success.
                queue = Path("/sys/block") / Path(self._device).name / "queue"
                (queue / "max_sectors_kb").write_text("4")
            run(*MAKERS[self._kind], self._device)
            self.mount()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Unmount, and give the device back."""
        if os.path.ismount(self.place):
            run("umount", str(self.place))
        if self._device:
            run("losetup", "--detach", self._device)
        if os.path.ismount(self._medium):
            run("umount", str(self._medium))

    def mount(self) -> None:
        """Mount, replaying the file system's log."""
        run("mount", "-t", self._kind, self._device, str(self.place))

    def unmount(self) -> None:
        """Unmount."""
        run("umount", str(self.place))

    def feed(self) -> None:
        """Give a starved medium room."""
        self._mount_medium("remount,size=1g")

    def _mount_medium(self, options: str) -> None:
        """Mount what the image is kept on."""
        run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._medium))


def cut_power(place: Path) -> None:
    """Stop the file system that *place* is on, at once."""
    fd = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _SHUTDOWN, _WITHOUT_FLUSHING_THE_LOG)
    finally:
        os.close(fd)


def run(*command: str) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode()
