"""Does not end: for test_harness.py."""

import signal


def test_waits():
    signal.pause()
