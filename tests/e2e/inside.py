"""For programs that run in namespaces of their own: processes, started and waited for."""
import subprocess
import time


def start(argv, log, word):
    """Start a program whose output goes to the file `log`, and wait until the word is there."""
    process = subprocess.Popen([str(a) for a in argv], stdout=open(log, "wb"), stderr=subprocess.STDOUT)
    end = time.monotonic() + 60
    while word not in log.read_text():
        assert time.monotonic() < end and process.poll() is None, log.read_text()
        time.sleep(0.05)
    return process
