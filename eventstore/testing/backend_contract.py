"""The backend contract: what every medium promises to the logs above it, as a test class.

Needs pytest, which nothing else in the package does:

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def backend(self):
            made = MyBackend(...)
            yield made
            made.close()
"""

from __future__ import annotations

import threading

import pytest

from eventstore.backend import Backend
from eventstore.errors import ConflictError

IDS = ["a", "A", "a/b", "..", "\0", "é", "e\u0301", "x" * 1024, "con"]


def put(backend: Backend, log: str, *frames: bytes) -> None:
    """Append frames, one after the other, each in a turn of its own."""
    for frame in frames:
        with backend.writing(log) as size:
            backend.append(log, size, frame)


class BackendContract:
    """What every backend does; subclass it as a test class and give it a fixture `backend`.

    The fixture yields an open backend without logs. Each test gets one of its own.
    """

    def test_it_says_what_it_is(self, backend: Backend) -> None:
        """A backend has a name and a store's id, and says where derived files go."""
        assert backend.name
        assert isinstance(backend.name, str)
        assert isinstance(backend.store_id, str)
        assert backend.store_id
        assert backend.directory is None or backend.directory.is_dir()
        assert backend.durable in (True, False)

    def test_what_is_not_there(self, backend: Backend) -> None:
        """A log that was never written has no size, no bytes, and is not listed."""
        assert backend.size("a") is None
        assert backend.read("a", 0, 100) == b""
        assert list(backend.logs()) == []
        backend.settle("a", entry=True)

    def test_reads_give_what_was_appended(self, backend: Backend) -> None:
        """Any range reads back, cut short only where the log ends."""
        put(backend, "a", b"one", b"two", b"three")
        assert backend.size("a") == 11
        assert backend.read("a", 0, 11) == b"onetwothree"
        assert backend.read("a", 3, 6) == b"two"
        assert backend.read("a", 6, 100) == b"three"
        assert backend.read("a", 11, 20) == b""
        assert backend.read("a", 20, 30) == b""
        assert backend.read("a", 4, 4) == b""

    def test_a_large_frame(self, backend: Backend) -> None:
        """A frame of many pages is whole."""
        frame = bytes(range(256)) * 20_000
        put(backend, "a", b"x", frame)
        assert backend.read("a", 1, 1 + len(frame)) == frame

    def test_a_turn_gives_the_present_size(self, backend: Backend) -> None:
        """Whoever may write is told where, 0 for a log that is not there yet."""
        with backend.writing("a") as size:
            assert size == 0
            backend.append("a", 0, b"one")
        with backend.writing("a") as size:
            assert size == 3

    def test_several_appends_in_one_turn(self, backend: Backend) -> None:
        """A writer may append more than once while it has its turn."""
        with backend.writing("a"):
            backend.append("a", 0, b"one")
            backend.append("a", 3, b"two")
        assert backend.read("a", 0, 10) == b"onetwo"

    def test_work_is_done_while_the_medium_writes(self, backend: Backend) -> None:
        """What is to be done meanwhile is done once, before the append is over."""
        done: list[str] = []
        with backend.writing("a"):
            backend.append("a", 0, b"one", lambda: done.append("first"))
            done.append("then")
            backend.append("a", 3, b"two", lambda: done.append("second"))
        assert done == ["first", "then", "second"]
        assert backend.read("a", 0, 10) == b"onetwo"

    def test_a_turn_without_an_append_makes_no_log(self, backend: Backend) -> None:
        """Taking a turn and writing nothing leaves no log behind."""
        with backend.writing("a"):
            pass
        assert backend.size("a") is None
        assert list(backend.logs()) == []
        put(backend, "a", b"one")
        assert list(backend.logs()) == ["a"]

    def test_repeating_the_last_append_succeeds(self, backend: Backend) -> None:
        """A lost reply can be retried: the same bytes at the same place, once."""
        put(backend, "a", b"one", b"two")
        with backend.writing("a"):
            backend.append("a", 3, b"two")
            backend.append("a", 3, b"two")
            backend.append("a", 6, b"three")
            backend.append("a", 6, b"three")
        assert backend.read("a", 0, 100) == b"onetwothree"

    @pytest.mark.parametrize(
        ("position", "frame"),
        [(3, b"TWO"), (3, b"tw"), (3, b"twox"), (0, b"one"), (0, b"x"), (7, b"x"), (100, b"x")],
    )
    def test_nothing_else_than_the_end_is_written(
        self, backend: Backend, position: int, frame: bytes
    ) -> None:
        """An append anywhere but at the end, or of other bytes than the last, is a conflict."""
        put(backend, "a", b"one", b"two")
        with backend.writing("a"), pytest.raises(ConflictError) as caught:
            backend.append("a", position, frame)
        assert caught.value.session == "a"
        assert backend.read("a", 0, 100) == b"onetwo"
        put(backend, "a", b"three")
        assert backend.read("a", 0, 100) == b"onetwothree"

    def test_logs_are_apart(self, backend: Backend) -> None:
        """Every id has a log of its own, listed under exactly that id."""
        for number, log in enumerate(IDS):
            put(backend, log, str(number).encode())
        # An id too long for a name of the medium may be told from a real first frame only.
        assert {*IDS} - {"x" * 1024} <= {*backend.logs()} <= {*IDS}
        assert [backend.read(log, 0, 9) for log in IDS] == [b"%d" % n for n in range(len(IDS))]

    def test_what_is_cut_is_gone_and_kept(self, backend: Backend) -> None:
        """A tail that is cut leaves the log at that place, and somewhere else stays whole."""
        put(backend, "a", b"one", b"two")
        with backend.writing("a"):
            kept = backend.cut("a", 3)
            backend.append("a", 3, b"TWO")
        assert backend.read("a", 0, 100) == b"oneTWO"
        if backend.directory is not None:
            assert (backend.directory / kept).read_bytes() == b"two"

    def test_making_durable_can_be_repeated(self, backend: Backend) -> None:
        """Settling and syncing change nothing that is read."""
        put(backend, "a", b"one")
        for _ in range(2):
            backend.settle("a", entry=True)
            backend.settle("a", entry=False)
            backend.sync()
        assert backend.read("a", 0, 3) == b"one"

    def test_a_turn_is_exclusive(self, backend: Backend) -> None:
        """Many threads that append where their turn says they are lose nothing."""

        def work(mark: int) -> None:
            for _ in range(25):
                put(backend, "a", bytes([mark]))

        threads = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(backend.read("a", 0, 1000)) == sorted(list(range(1, 5)) * 25)

    def test_a_turn_ends_with_an_error(self, backend: Backend) -> None:
        """A writer that fails in its turn does not keep it."""
        with pytest.raises(ZeroDivisionError), backend.writing("a"):
            raise ZeroDivisionError
        put(backend, "a", b"one")
        assert backend.size("a") == 3

    def test_writers_of_other_logs_do_not_wait(self, backend: Backend) -> None:
        """A turn on one log leaves every other log free."""
        with backend.writing("a") as first, backend.writing("b") as second:
            backend.append("a", first, b"one")
            backend.append("b", second, b"two")
        assert (backend.size("a"), backend.size("b")) == (3, 3)

    def test_readers_do_not_wait_for_writers(self, backend: Backend) -> None:
        """A log can be read, sized and listed during somebody's turn."""
        put(backend, "a", b"one")
        with backend.writing("a"):
            assert (backend.size("a"), backend.read("a", 0, 9)) == (3, b"one")
            assert list(backend.logs()) == ["a"]

    def test_a_log_is_replaced(self, backend: Backend) -> None:
        """A rewriting is nobody's until it is the log, and then the log goes on from its end."""
        put(backend, "a", b"one", b"two")
        put(backend, "b", b"x")
        assert (backend.size("c"), backend.epoch("c")) == (None, 0)
        epoch = backend.epoch("a")
        assert epoch != 0
        with backend.rewriting("a") as rewriting:
            rewriting.append(b"on")
            rewriting.append(b"e2")
            assert (rewriting.size("a"), rewriting.read("a", 1, 9)) == (4, b"ne2")
            assert backend.read("a", 0, 9) == b"onetwo"
            assert sorted(backend.logs()) == ["a", "b"]
            assert backend.epoch("a") == epoch
            with backend.writing("a") as size:
                backend.replace("a", rewriting, size)
            assert backend.read("a", 0, 9) == b"one2"
            assert backend.epoch("a") != epoch
        put(backend, "a", b"3")
        assert (backend.size("a"), backend.read("a", 0, 9)) == (5, b"one23")
        assert sorted(backend.logs()) == ["a", "b"]
        assert backend.read("b", 0, 9) == b"x"

    def test_a_rewriting_that_is_given_up_leaves_nothing(self, backend: Backend) -> None:
        """Without `replace`, or where that is refused, the log stays and the next can begin."""
        put(backend, "a", b"one")
        for _ in range(2):
            with backend.rewriting("a") as rewriting:
                assert rewriting.read("a", 0, 9) == b""
                rewriting.append(b"o")
                put(backend, "a", b"!")
                with backend.writing("a") as size, pytest.raises(ConflictError):
                    backend.replace("a", rewriting, size - 1)
        assert backend.read("a", 0, 9) == b"one!!"
        if backend.directory is not None:
            assert not list(backend.directory.rglob("*.new"))

    def test_rewritings_of_one_log_wait_for_each_other(self, backend: Backend) -> None:
        """Threads that rewrite a log one after the other each start from what the last one left."""
        put(backend, "a", b"0")

        def work() -> None:
            for _ in range(10):
                with backend.rewriting("a") as rewriting:
                    now = int(backend.read("a", 0, 9))
                    rewriting.append(b"%d" % (now + 1))
                    with backend.writing("a") as size:
                        backend.replace("a", rewriting, size)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert backend.read("a", 0, 9) == b"40"

    def test_writers_of_a_log_that_is_replaced_lose_nothing(self, backend: Backend) -> None:
        """Whoever waits for its turn while a log is replaced writes to the new one."""
        put(backend, "a", b"x")

        def write(mark: int) -> None:
            for _ in range(50):
                put(backend, "a", bytes([mark]))

        threads = [threading.Thread(target=write, args=(mark,)) for mark in b"pqr"]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            with backend.rewriting("a") as rewriting, backend.writing("a") as size:
                rewriting.append(backend.read("a", 0, size))
                backend.replace("a", rewriting, size)
        for thread in threads:
            thread.join()
        assert sorted(backend.read("a", 0, 1000)) == sorted(b"x" + b"pqr" * 50)

    def test_it_is_healthy_and_closes(self, backend: Backend) -> None:
        """A check of a sound medium passes; closing can be repeated."""
        backend.check()
        assert list(backend.logs()) == []
        backend.close()
        backend.close()
