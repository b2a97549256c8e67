"""Run `rootline stats` as user 54321 with a control socket in /tmp that another user serves, then with one of its own.

    socket_inside.py ROOTLINE

Must run as root in its own mount namespace.  Print a line of JSON for each owner: the exit status and the stderr of the
command, and whether the server of the socket was sent a request.
"""
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

for place in ("/run", "/tmp"):  # without the sockets and folders of the machine
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
    server = subprocess.Popen(["/usr/bin/python3", "-c", SERVER, folder / "resolver.sock"], stdout=subprocess.PIPE,
                              text=True, user=owner)
    assert server.stdout.readline() == "ready\n"
    done = subprocess.run([folder / "rootline", "stats", "--json"], user=54321, env=env, capture_output=True, text=True,
                          timeout=60)
    fate = server.communicate(timeout=30)[0].strip()
    print(json.dumps({"status": done.returncode, "said": done.stderr, "fate": fate}))
    (folder / "resolver.sock").unlink()
