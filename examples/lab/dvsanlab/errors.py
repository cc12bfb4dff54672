"""The lab's one error: a sentence for the person who runs it."""


class LabError(Exception):
    """What went wrong and what to do about it. tail: the end of a log that tells more, or ''."""

    def __init__(self, sentence, tail=""):
        super().__init__(sentence)
        self.tail = tail
