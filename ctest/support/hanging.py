"""A folder that is a medium and does not answer."""
import os
import shutil


class Hanging:
    """Opening a pipe that nobody writes to does not end."""

    def __init__(self, folder):
        self.marker, self.kept, self.other = (os.path.join(folder, n) for n in (".dvsan-medium", "kept", "other"))
        shutil.copy2(self.marker, self.kept)
        os.mkfifo(self.other)
        os.link(self.other, self.other + "2")
        os.rename(self.other + "2", self.marker)

    def answers(self):
        os.rename(self.kept, self.marker)
        os.close(os.open(self.other, os.O_WRONLY))
        os.unlink(self.other)
