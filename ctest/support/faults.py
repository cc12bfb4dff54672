"""Fault points (src/base/fault.h), which builds for tests alone have."""
import pytest

from . import BUILD


def has_faults(program):
    return b"DVSAN_FAULT_STOP" in program.read_bytes()


needs_faults = pytest.mark.skipif(not has_faults(BUILD / "bin/dvsan-unit"), reason="built without DVSAN_FAULTS")
