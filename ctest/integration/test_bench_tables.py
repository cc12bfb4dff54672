# That the benchmark of tables compares what it says: no times, few rows.
# SPDX-License-Identifier: BSD-2-Clause
import re
import signal
import subprocess

from support import BUILD, SOURCE, patience


def test_both_tables_are_walked_whole():
    with subprocess.Popen([SOURCE / "ctest/bench/bench_tables", "--rows", "60", "--rounds", "1", "--tgtd", "--build",
                           BUILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        try:
            out, err = bench.communicate(timeout=patience.seconds(60))
        except subprocess.TimeoutExpired:
            bench.send_signal(signal.SIGINT)  # it takes down what it has started
            out, err = bench.communicate()
    assert bench.returncode == 0, out + err
    columns, values = re.search(r"GETBULK of 60 volumes, (\d+) columns, (\d+) values:", out).groups()
    assert int(columns) > 20 and int(values) == 60 * int(columns)
    assert len(re.findall(r"ratio \d+\.\d\d$", out, re.MULTILINE)) == 2
