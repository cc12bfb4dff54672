"""Waiting in tests, always for something, never for ever."""
import time

# The bounds that tests name are for a machine that does nothing else. They only end what hangs, so a
# busy machine gets so many times as long.
FACTOR = 6


def seconds(bound):
    return bound * FACTOR


def until(condition, bound, every=0.02):
    """Calls condition until it returns something true, and returns that; None when time is up."""
    end = time.monotonic() + seconds(bound)
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value or None
        time.sleep(every)


def wait_for(what, condition, bound=20.0):
    """As until, but fails when time is up."""
    value = until(condition, bound)
    if not value:
        raise AssertionError(f"waited {seconds(bound)} s for {what}")
    return value
