"""Waiting until something is so, with a deadline."""
import time


class Deadline:
    """A moment after which waiting is over."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def over(self):
        return self.left() == 0.0


def until(condition, seconds, every=0.02):
    """Calls condition until it returns something true, and returns that; None when time is up."""
    deadline = Deadline(seconds)
    while True:
        result = condition()
        if result:
            return result
        if deadline.over():
            return None
        time.sleep(min(every, deadline.left()))
