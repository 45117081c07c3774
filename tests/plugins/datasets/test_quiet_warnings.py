"""Warnings are silenced in one thread alone."""

import pickle
import threading
import warnings

import pytest

from decda.plugins.datasets.quiet_warnings import quiet_warnings


def test_silent_inside_and_heard_outside() -> None:
    """Inside the block no warning is heard, also in an inner block and behind it; outside, each is."""
    with quiet_warnings():
        warnings.warn("a", stacklevel=1)  # they are errors in these tests
        with quiet_warnings():
            warnings.warn("b", DeprecationWarning, stacklevel=1)
        warnings.warn("c", stacklevel=1)
    with pytest.warns(UserWarning, match="d"):
        warnings.warn("d", stacklevel=1)
    with pytest.raises(OSError, match="broken"), quiet_warnings():
        raise OSError("broken")
    with pytest.raises(UserWarning):
        warnings.warn("e", stacklevel=1)


def test_only_this_thread() -> None:
    """While one thread is silent, another one hears its own warnings."""
    inside, heard = threading.Event(), threading.Event()
    silent: list[bool] = []

    def quiet() -> None:
        with quiet_warnings():
            inside.set()
            heard.wait(10)
            warnings.warn("unheard", stacklevel=1)
            silent.append(True)

    thread = threading.Thread(target=quiet)
    thread.start()
    assert inside.wait(10)
    with pytest.raises(UserWarning):
        warnings.warn("heard", stacklevel=1)
    heard.set()
    thread.join()
    assert silent == [True]


def test_other_filters_stay() -> None:
    """Filters set by others stay, also where they are set and taken back while a block lasts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with quiet_warnings(), warnings.catch_warnings():
            warnings.simplefilter("error")
        warnings.warn("ignored", stacklevel=1)
        others = list(warnings.filters)
        for _ in range(3):
            with quiet_warnings():
                pass
        assert list(warnings.filters) == others


def test_before_filters_that_came_later() -> None:
    """A filter that makes errors of warnings, set after the first block, does not reach into the next one."""
    with quiet_warnings():
        pass
    with warnings.catch_warnings():
        warnings.filterwarnings("error")
        with quiet_warnings():
            warnings.warn("unheard", stacklevel=1)


def test_nothing_stays_behind() -> None:
    """After the block the filters of the process are what they were, for scikit-learn copies them to its workers."""
    before = list(warnings.filters)
    with quiet_warnings():
        with quiet_warnings():
            pass
        assert len(warnings.filters) == len(before) + 1
        assert pickle.loads(pickle.dumps(warnings.filters[0][3])).pattern == "(?!)"
    assert list(warnings.filters) == before
