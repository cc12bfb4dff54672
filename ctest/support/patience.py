"""Waiting in tests, always for something, never for ever."""
import subprocess

from dvsanlab import waiting

# The bounds that tests name are for a machine that does nothing else. They only end what hangs, so a
# busy machine gets so many times as long.
FACTOR = 6


class NotYet(Exception):
    """What a condition raises while it cannot be looked at."""


NO = (NotYet, OSError, subprocess.CalledProcessError)  # to those that wait for a condition


def seconds(bound):
    return bound * FACTOR


def until(condition, bound, every=0.02):
    """Calls condition until it returns something true, and returns that; when time is up returns None, or raises
    what the last call raised of NO."""
    why = None

    def look():
        nonlocal why
        why = None
        try:
            return condition()
        except NO as error:
            why = error
            return None
    value = waiting.until(look, seconds(bound), every)
    if why:
        raise why
    return value


def wait_for(what, condition, bound=20.0):
    """As until, but fails when time is up."""
    try:
        value, why = until(condition, bound), ""
    except NO as error:
        value, why = None, f": {error}"
    if not value:
        raise AssertionError(f"waited {seconds(bound)} s for {what}{why}")
    return value
