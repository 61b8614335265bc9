"""What is acknowledged stays: a writer dies by SIGKILL right after an acknowledgement, many times."""

from scopegate.base.settings import Settings
from tests.contracts.store_driver import Driver, names, opened, pipe, process, write_and_say

ROUNDS = 25


def test_kill_9_right_after_an_acknowledged_write_loses_nothing(store: Driver, prepared: Settings) -> None:
    for number in range(ROUNDS):
        receiving, sending = pipe()
        writer = process(write_and_say, prepared, f"r{number}", sending)
        sending.close()
        said = [receiving.recv() for _ in range(1 + number % 5)]

        writer.kill()
        writer.join()
        try:
            while True:
                said.append(receiving.recv())
        except EOFError:
            pass

        with opened(prepared) as fresh:
            kept = set(fresh.read(names))
        assert set(said) <= kept
        assert set(store.read(names)) == kept
        assert {change.key for change in store.changes()} == kept, "row and change record live or die together"


def test_writers_go_on_after_one_was_killed_in_the_middle(store: Driver, prepared: Settings) -> None:
    """Its locks die with it."""
    receiving, sending = pipe()
    doomed = [process(write_and_say, prepared, f"d{number}", sending) for number in range(2)]
    sending.close()
    for _ in range(10):
        receiving.recv()
    doomed[0].kill()

    for _ in range(5):
        receiving.recv()
    doomed[1].kill()
    for writer in doomed:
        writer.join()

    assert store.write(lambda tx: len(names(tx))).result >= 15
