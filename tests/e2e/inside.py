"""Processes of the programs that run inside a network namespace (*_inside.py)."""
import subprocess
import time


def start(argv, log, word):
    """Start a program with its output in the file `log`; wait until `word` is there."""
    process = subprocess.Popen([str(a) for a in argv], stdout=open(log, "wb"), stderr=subprocess.STDOUT)
    end = time.monotonic() + 60
    while word not in log.read_text():
        assert time.monotonic() < end and process.poll() is None, log.read_text()
        time.sleep(0.05)
    return process
