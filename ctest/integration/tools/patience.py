"""Waiting in tests, always for something, never for ever."""
import time

# The bounds that tests name are for a machine that does nothing else. They only end what hangs, so a
# busy machine gets so many times as long.
FACTOR = 6


class NotYet(Exception):
    """What a condition raises while it cannot be looked at. To those that wait for it that is a no."""


def seconds(bound):
    return bound * FACTOR


def until(condition, bound, every=0.02):
    """Calls condition until it returns something true, and returns that; when time is up returns None, or raises
    the NotYet that the last call raised."""
    end = time.monotonic() + seconds(bound)
    while True:
        value, why = None, None
        try:
            value = condition()
        except NotYet as error:
            why = error
        if value:
            return value
        if time.monotonic() > end:
            if why:
                raise why
            return None
        time.sleep(every)


def wait_for(what, condition, bound=20.0):
    """As until, but fails when time is up."""
    try:
        value, why = until(condition, bound), ""
    except NotYet as error:
        value, why = None, f": {error}"
    if not value:
        raise AssertionError(f"waited {seconds(bound)} s for {what}{why}")
    return value
