#!/usr/bin/env python3
"""Runs a command several times and prints how long it took: times.py RUNS COMMAND…; `{}` becomes the run's number."""

import statistics
import subprocess
import sys
import time

taken = []
for run in range(int(sys.argv[1])):
    command = [word.replace("{}", str(run)) for word in sys.argv[2:]]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    taken.append((time.perf_counter() - start) * 1000)
print(f"{len(taken)} runs: fastest {min(taken):.0f} ms, median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms")
