# That the benchmark of tables compares what it says: no times, few rows.
# SPDX-License-Identifier: BSD-2-Clause
import re
import subprocess

from unit_box import BUILD, SOURCE


def test_both_tables_are_walked_whole():
    done = subprocess.run([SOURCE / "ctest/bench/bench_tables", "--rows", "60", "--rounds", "1", "--tgtd",
                           "--build", BUILD], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    columns, values = re.search(r"GETBULK of 60 volumes, (\d+) columns, (\d+) values:", done.stdout).groups()
    assert int(columns) > 20 and int(values) == 60 * int(columns)
    assert len(re.findall(r"ratio \d+\.\d\d$", done.stdout, re.MULTILINE)) == 2
