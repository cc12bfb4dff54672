"""The build under test, installed into a folder as a packager would."""
import os
import re
import subprocess

from . import BUILD


class Installed:
    """root: the folder. prefix: where what is for /usr, or the build's other prefix, lies in it."""

    def __init__(self, root):
        cache = (BUILD / "CMakeCache.txt").read_text()
        under = re.search(r"^CMAKE_INSTALL_PREFIX:\w+=/(.*)$", cache, re.M)[1]
        subprocess.run(["cmake", "--install", str(BUILD)], check=True, umask=0o022,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, DESTDIR=str(root)))
        self.root = root
        self.prefix = root / under
        self.examples = self.prefix / "share/doc/dvsan/examples"
        self.units = self.prefix / "lib/systemd/system"
