"""Waiting until something is so, with a deadline."""
import time


def until(condition, seconds, every=0.02):
    """Calls condition until it returns something true, and returns that; None when time is up."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        left = end - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(every, left))
