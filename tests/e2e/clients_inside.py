"""Run the class Internet, its resolver and the clients of C libraries and languages, which read /etc/resolv.conf.

    clients_inside.py SOURCE BUILD FOLDER

Must run in its own network and mount namespace.  Print one line of JSON: the results of each client.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from inside import start

source, build, folder = map(Path, sys.argv[1:])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
# with loopback addresses only, getaddrinfo would return no address of that family (AI_ADDRCONFIG)
for args in ("link add rl0 type veth peer name rl1", "link set rl1 up", "addr add 192.0.2.200/32 dev rl0",
             "addr add 2001:db8::200/128 dev rl0 nodad", "link set rl0 up"):
    subprocess.run(["ip", *args.split()], check=True)
for path, text in (("/etc/resolv.conf", "nameserver 127.0.0.1\nsearch uni.edu edu\noptions timeout:10 attempts:2\n"),
                   ("/etc/nsswitch.conf", "hosts: files dns\n"), ("/etc/hosts", "127.0.0.1 localhost\n")):
    mine = folder / Path(path).name
    mine.write_text(text)
    subprocess.run(["mount", "--bind", mine, os.path.realpath(path)], check=True)


def output(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60)
    return done.stdout.split()


def lookup(name, family=socket.AF_INET):
    try:
        return sorted({a[4][0] for a in socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)})
    except socket.gaierror as error:
        return [error.errno]


internet = start([source / "tools/internet", build, folder / "servers", 53], folder / "internet.log", "are ready")
text = (source / "zones/internet/resolver.yaml").read_text()
for old, new in (("127.0.0.1@5300", "127.0.0.1"), ("::1@5300", "127.0.0.53"),
                 ("../../build/start/cache", str(folder / "cache")),
                 ("root-hints: ", f"root-hints: {source}/zones/internet/"), ("identity:", 'control: ""\n  identity:'),
                 ("64M", "16M")):
    text = text.replace(old, new)
(folder / "resolver.yaml").write_text(text)
resolver = start([build / "rootline-resolver", "-c", folder / "resolver.yaml"], folder / "resolver.log", "ready on")

names = ("www.uni.edu", "www.cs", "www", "many", "pictures.uni.edu", "nothing.uni.edu", "www.dead.com.")
found = {"python": {name: lookup(name) for name in names},
         "python6": {"www.uni.edu": lookup("www.uni.edu", socket.AF_INET6)},
         "back": socket.gethostbyaddr("198.18.1.80")[0],
         "glibc": {name: output("getent", "ahostsv4", name) for name in ("www.uni.edu", "www.cs", "many")}}
script = """
const dns = require('dns').promises;
(async () => {
  const out = {};
  for (const name of ['www.uni.edu', 'www.cs', 'many'])
    out[name] = (await dns.lookup(name, {all: true, family: 4})).map(a => a.address).sort();
  out.resolve = (await dns.resolve4('many.uni.edu')).length;
  out.mx = (await dns.resolveMx('uni.edu')).map(m => m.exchange);
  out.txt = (await dns.resolveTxt('timetable.uni.edu')).length;
  try { await dns.resolve4('nothing.uni.edu') } catch (e) { out.nothing = e.code }
  console.log(JSON.stringify(out));
})();
"""
if shutil.which("node"):
    found["node"] = json.loads(" ".join(output("node", "-e", script)))
if shutil.which("musl-gcc"):
    (folder / "lookup.c").write_text("""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *all = 0;
        int error = getaddrinfo(argv[i], 0, &hints, &all);
        char text[64];
        if (error)
            printf("%s error:%d\\n", argv[i], error);
        for (struct addrinfo *a = all; a; a = a->ai_next)
            printf("%s %s\\n", argv[i],
                   inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, text, sizeof(text)));
    }
}
""")
    subprocess.run(["musl-gcc", "-o", folder / "lookup", folder / "lookup.c"], check=True)
    words = output(folder / "lookup", "www.uni.edu", "www.cs", "www", "many.uni.edu", "nothing.uni.edu")
    found["musl"] = {}
    for name, address in zip(words[::2], words[1::2]):
        found["musl"].setdefault(name, []).append(address)
resolver.terminate()
assert resolver.wait(20) == 0
internet.terminate()
internet.wait(20)
print(json.dumps(found))
