"""Fault points (src/base/fault.h), which builds for tests alone have."""
import os
import pathlib

import pytest

from . import BUILD, stand


def has_faults(program):
    return b"DVSAN_FAULT_STOP" in program.read_bytes()


needs_faults = pytest.mark.skipif(not has_faults(BUILD / "bin/dvsan-unit"), reason="built without DVSAN_FAULTS")


class FaultPoints:
    """Those of a process of a box or a lab, from its next start on. record: whether those that it passes are noted."""

    def __init__(self, process, record=False):
        self.process = process
        self.stop, self.record = (pathlib.Path(f"{process.base}.{what}") for what in ("stop", "record"))
        process.env["DVSAN_FAULT_STOP"] = str(self.stop)
        if record:
            process.env["DVSAN_FAULT_RECORD"] = str(self.record)

    def stop_at(self, point, nth=1):
        """It stops when it passes the point for the nth time from now on."""
        new = self.stop.with_suffix(".new")
        new.write_text(f"{point}:{nth}")
        new.rename(self.stop)

    def is_stopped(self):
        return not self.stop.exists() and stand.state(self.process.pid()) == "T"

    def recorded(self):
        """The points that were passed since the last call, in order."""
        if not self.record.exists():
            return []
        points = self.record.read_text().splitlines()
        os.truncate(self.record, 0)
        return points
