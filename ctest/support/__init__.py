"""What tests and benchmarks share: one unit, a lab, initiators, and packets that should not be."""
import os
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DVSAN_BUILD") or SOURCE / "build/debug").resolve()
sys.path[:0] = [str(SOURCE / "examples/lab"), str(BUILD / "generated")]  # dvsanlab; dvsan_oids
