#!/usr/bin/env python3
"""The law of the tree: layer numbers, include cycles, doors of third-party headers.  Nothing else."""
import re
import sys
from pathlib import Path

FOLDERS = ["base", "dns", "net", "resolver", "authd", "tools"]
# Third-party headers and the files that may include them.
DOORS = {
    "yaml.h": {"base/conf.c"},
    "ldns/": {"dns/rrtext.c", "dns/svcparam.c"},
    "sys/capability.h": {"net/privilege.c"},
    "uv.h": {"net/leisure.h", "net/stream.h", "net/out_net.h", "net/own.h", "net/deferred.h", "net/worker.h", "net/control.h", "net/daemon.c"},
    "lmdb.h": {"resolver/cache_lmdb.c"},
    "nghttp2/": {"net/h2.c"},
    "openssl/ssl.h": {"net/tls.c", "net/tls_client.c", "net/tls_server.c"},
    "openssl/": {"dns/nsec3.c", "dns/dnskey.c", "dns/rrsig.c", "authd/check_zonemd.c", "net/tls.c", "net/tls_client.c",
                 "net/tls_server.c", "tools/cmd_certificate.c"},
    "jansson.h": {"base/json.c"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
LAYER = re.compile(r"^/\* layer (\d+) \| (\S+) \| \S")
# Folders that never include each other, and what a folder may not include at all.
FORBIDDEN = [("resolver", "authd"), ("authd", "resolver"), ("base", "dns"), ("dns", "net")]


def main(root):
    faults = []
    files = sorted(p for f in FOLDERS for p in (root / f).glob("**/*.[ch]"))
    layers, includes = {}, {}
    for path in files:
        name = str(path.relative_to(root))
        text = path.read_text()
        if name.endswith(".h"):
            match = LAYER.match(text)
            if not match:
                faults.append(f"{name}:1: the first line must be /* layer N | {name} | what it is")
                continue
            if match[2] != name:
                faults.append(f"{name}:1: the first line names {match[2]}")
            layers[name] = int(match[1])
        includes[name] = []
        for kind, header in INCLUDE.findall(text):
            if kind == '"':
                includes[name].append(header)
                if not (root / header).exists():
                    faults.append(f"{name}: includes {header}, which is not there")
            for door, allowed in DOORS.items():
                if (header == door or (door.endswith("/") and header.startswith(door))) and name not in allowed:
                    faults.append(f"{name}: includes <{header}>; only {', '.join(sorted(allowed)) or 'nobody'} may")
            for source, target in FORBIDDEN:
                if name.startswith(source + "/") and header.startswith(target + "/"):
                    faults.append(f"{name}: {source}/ must not include {header}")

    stems = {}
    for name in includes:
        stem = Path(name).stem
        other = stems.setdefault(stem, Path(name).parent)
        if other != Path(name).parent:
            faults.append(f"{name}: its stem is taken by {other}/{stem}")

    for name, headers in includes.items():
        own = name[:-2] + ".h"
        layer = layers.get(own)
        for header in headers:
            if header == own or header not in layers:
                continue
            if layer is not None and layers[header] >= layer:
                faults.append(f"{name}: layer {layer} includes {header} of layer {layers[header]}")

    def visit(name, path):
        if name in path:
            faults.append("cycle: " + " -> ".join(path[path.index(name):] + [name]))
            return
        if name in done:
            return
        for header in includes.get(name, []):
            visit(header, path + [name])
        done.add(name)

    done = set()
    for name in includes:
        visit(name, [])

    for fault in faults:
        print(fault)
    print(f"style: {len(files)} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
