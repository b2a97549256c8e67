"""Runs in a mount namespace of its own, as root: who serves the socket in /tmp that the command of user 54321 finds.

    socket_inside.py ROOTLINE

Prints a line of JSON for each of two owners of the socket, another user and 54321: the command's exit status, what it said, and what
became of its connection."""
import json
import os
import subprocess
import sys
from pathlib import Path

SERVER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.settimeout(20)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen(5)
print("ready", flush=True)
s, _ = listener.accept()
asked = b""
while not asked.endswith(b"\\n") and (more := s.recv(65536)):
    asked += more
if asked:
    s.sendall(b'{"ok": true, "result": {}}\\n')
print("asked" if asked else "left alone")
"""

for place in ("/run", "/tmp"):  # no daemon's socket is there, nor a folder that somebody has made before
    if place == "/tmp":
        command = Path(sys.argv[1]).read_bytes()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "none", place], check=True)
folder = Path("/tmp/rootline-54321")
folder.mkdir()
folder.chmod(0o777)
(folder / "rootline").write_bytes(command)
(folder / "rootline").chmod(0o755)
env = {k: v for k, v in os.environ.items() if k not in ("XDG_RUNTIME_DIR", "ROOTLINE_SOCKET")}
for owner in (65534, 54321):
    server = subprocess.Popen(["/usr/bin/python3", "-c", SERVER, folder / "resolver.sock"], stdout=subprocess.PIPE, text=True, user=owner)
    assert server.stdout.readline() == "ready\n"
    done = subprocess.run([folder / "rootline", "stats", "--json"], user=54321, env=env, capture_output=True, text=True, timeout=60)
    fate = server.communicate(timeout=30)[0].strip()
    print(json.dumps({"status": done.returncode, "said": done.stderr, "fate": fate}))
    (folder / "resolver.sock").unlink()
