"""Signals that ask a process to end."""

import signal
import threading

import pytest

from decda.core.process.interrupts import EXIT_CODES, Interrupted, Interrupts


@pytest.mark.parametrize("name", list(EXIT_CODES))
def test_a_signal_is_raised_with_its_exit_code(name: str) -> None:
    """Outside `deferred`, a signal raises at once, with the exit code that its meaning asks for."""
    codes = {"SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 75}
    with pytest.raises(Interrupted) as caught, Interrupts(list(EXIT_CODES)):
        signal.raise_signal(getattr(signal, name))
    assert (caught.value.name, caught.value.exit_code) == (name, codes[name])


def test_a_signal_is_only_noted_while_it_is_deferred() -> None:
    """Inside `deferred` the first signal is noted and later ones do not replace it; `check` raises it."""
    with Interrupts(["SIGTERM", "SIGUSR1"]) as interrupts:
        interrupts.check()
        with interrupts.deferred():
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGTERM)
        assert interrupts.pending == "SIGUSR1"
        with pytest.raises(Interrupted, match="SIGUSR1"):
            interrupts.check()


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
def test_a_second_ctrl_c_ends_at_once(first: str) -> None:
    """The second SIGINT raises even while signals are deferred, also if another signal came before."""
    with Interrupts(["SIGINT", "SIGTERM"]) as interrupts, interrupts.deferred():
        signal.raise_signal(getattr(signal, first))
        if first == "SIGTERM":
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_restored() -> None:
    """Afterwards every signal is handled as before."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupts(["SIGINT", "SIGTERM"]):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signals_are_held_back_for_a_moment() -> None:
    """A signal that arrives inside `held` is raised right afterwards."""
    reached = []

    def start() -> None:
        with Interrupts(["SIGINT", "SIGTERM"]) as interrupts, interrupts.held():
            signal.raise_signal(signal.SIGTERM)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert reached


def test_ignored_signals_stay_ignored() -> None:
    """Runs in the background of a shell script, where Ctrl-C is ignored, continue."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts(["SIGINT"]) as interrupts:
            signal.raise_signal(signal.SIGINT)
            assert interrupts.pending is None
    finally:
        signal.signal(signal.SIGINT, former)


def test_another_thread_may_use_it() -> None:
    """In a thread that cannot handle signals, nothing happens instead of an error."""
    seen = []

    def work() -> None:
        with Interrupts(["SIGINT"]) as interrupts, interrupts.deferred():
            seen.append(interrupts.pending)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]
