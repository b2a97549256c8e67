#!/usr/bin/env python3
"""tests/style/check.py [SOURCE [BUILD]]: check the rules of the source tree that docs/ARCHITECTURE.md states.

A file includes only files of its own folder and of folders below; there are no include cycles; only the files listed
here include a third-party header; a public name begins with its file's stem (read from the libraries in BUILD, if
given); the name of a static function occurs in one file only, so that gdb and perf name one function (read from the
sources, and with BUILD from the object files too); lines of C have at most 100 columns, those of Python 120; results of
OpenSSL and nghttp2 are used.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

FOLDERS = ["base", "dns", "net", "resolver", "authd", "tools"]
# The files that may include each third-party header.
DOORS = {
    "yaml.h": {"base/conf.c"},
    "ldns/": {"dns/rrtext.c", "dns/rdata_text.c", "dns/svcparam.c"},
    "sys/capability.h": {"net/loop/privilege.c"},
    "uv.h": {"net/loop/loop.h", "net/loop/idle_queue.h", "net/transport/stream.h", "net/upstream/out_net.h",
             "net/upstream/own.h", "net/transport/deferred.h", "net/transport/worker.h", "net/control/control.h",
             "net/daemon/daemon.c"},
    "lmdb.h": {"resolver/cache/cache_lmdb.c"},
    "nghttp2/": {"net/transport/h2.c"},
    "openssl/ssl.h": {"net/transport/tls.c", "net/transport/tls_client.c", "net/transport/tls_server.c"},
    "openssl/": {"dns/nsec3.c", "dns/rdata_text.c", "dns/dnskey.c", "dns/ds.c", "dns/ecdsa.c", "dns/rrsig.c",
                 "dns/signkey.c", "authd/check/check_zonemd.c",
                 "resolver/validate/sigmemo.c",
                 "net/transport/tls.c", "net/transport/tls_client.c", "net/transport/tls_server.c",
                 "tools/cmd_certificate.c"},
    "jansson.h": {"base/json.c"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
TITLE = re.compile(r"^/\* (\S+) \| \S")
COLUMNS_MAX = {"C": 100, "Python": 120}
# Not of the source tree: what builds and tests leave in it.
LEFT_OUT = ("build", ".git", "__pycache__")
# Includes that the order of folders would allow: the two daemons are independent.
FORBIDDEN = [("resolver", "authd")]
# The definition of a static function.
STATIC = re.compile(r"^static\b[^;{}=()]*?\b(\w+)\s*\([^;{}]*\)\s*\{", re.M)
# Calls whose result must be used, by the beginning of their names, except those that cannot fail.
FOREIGN = (r"(?:SSL|X509|X509V3|EVP|BIO|BN|PEM|RAND|ASN1|ECDSA|OSSL|CRYPTO|OPENSSL|ERR|GENERAL|SHA1|sk|i2d|d2i|nghttp2)"
           r"_\w+")
CANNOT_FAIL = re.compile(
    r"\w+_free|\w+_pop_free|OPENSSL_cleanse|ERR_clear_error|X509V3_set_ctx|SHA1_(?:Init|Update|Final)"
    r"|BIO_(?:set_data|set_init|clear_retry_flags|set_retry_read)"
    r"|SSL_set_(?:bio|msg_callback|msg_callback_arg|accept_state|connect_state|shutdown)|SSL_get0_alpn_selected"
    r"|X509_STORE_CTX_set_error|SSL_CTX_(?:set_options|set_session_cache_mode|set_timeout|set_cert_cb"
    r"|set_alpn_select_cb|sess_set_new_cb|set_verify|set_cert_verify_callback)"
    r"|nghttp2_(?:session_callbacks_set|option_set)_\w+|nghttp2_(?:session_callbacks|option|session)_del")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
# A call at the beginning of a statement: after ; { } on the same line too, after ) : else do on the next.
STATEMENT = re.compile(r"(?:[;{}]\s*|(?:[):]|\belse|\bdo)\s*\n\s*)(" + FOREIGN + r")(?=\s*\()")
VOIDED = re.compile(r"\(void\)\s*(" + FOREIGN + r")\s*\(")


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def without_comments(text):
    """Return C source with comments and strings replaced by spaces."""
    return STRING.sub(blank, COMMENT.sub(blank, text))


def ends_statement(bare, at):
    """Return True if the call whose opening parenthesis follows `at` is the whole statement."""
    depth = 0
    for at in range(at, len(bare)):
        depth += {"(": 1, ")": -1}.get(bare[at], 0)
        if depth == 0 and bare[at] == ")":
            return bare[at + 1:].lstrip().startswith(";")
    return False


def dropped_results(text):
    """Yield (line, fault) for each result that is dropped, or dropped by (void) without a reason."""
    bare = without_comments(text)
    for match in STATEMENT.finditer(bare):
        if ends_statement(bare, match.end()) and not CANNOT_FAIL.fullmatch(match[1]):
            yield bare.count("\n", 0, match.start(1)) + 1, f"the result of {match[1]} is not used"
    for match in VOIDED.finditer(bare):
        line = bare.count("\n", 0, match.start(1)) + 1
        behind = text[bare.index(";", match.end()):].split("\n", 1)[0]
        above, code = text.split("\n")[line - 2], bare.split("\n")[line - 2]
        if "/*" not in behind and (code.strip() or "*/" not in above):
            yield line, f"no comment says why the result of {match[1]} may be dropped"


def folder_order(root):
    """Return the folders in the first code block of ARCHITECTURE.md, the lowest first."""
    order, top = [], ""
    for line in (root / "docs/ARCHITECTURE.md").read_text().split("```")[1].splitlines():
        match = re.match(r"( *)(\S+)/( |$)", line)
        if not match:
            continue
        top = top if match[1] else match[2]
        order.insert(0, f"{top}/{match[2]}" if match[1] else top)
    return order


def public_names(build):
    """Yield (library, file stem, name) for each global symbol of the libraries."""
    for library in sorted(build.glob("librl_*.a")):
        stem = ""
        nm = subprocess.run(["nm", "--defined-only", "-g", library], capture_output=True, text=True, check=True)
        for line in nm.stdout.splitlines():
            if line.endswith(".c.o:"):
                stem = line[:-len(".c.o:")]
            elif len(line.split()) == 3:
                yield library.name, stem, line.split()[2]


def static_symbols(build):
    """Yield (source file, name) for each local function in the object files of product code."""
    for path in sorted(build.glob("**/CMakeFiles/*.dir/**/*.c.o")):
        source = str(path).split(".dir/", 1)[1][:-len(".o")]
        if not source.startswith(tuple(folder + "/" for folder in FOLDERS)):
            continue
        nm = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True, check=True)
        for line in nm.stdout.splitlines():
            kind, name = line.split()[-2:]
            if kind == "t" and not name.startswith("_"):  # the sanitizers' names begin with _
                yield source, name.split(".")[0]  # without .constprop.0, .part.0, .cold


def shared_statics(sources, build):
    """Yield (name, files) for each name of a static function that occurs in several files; `sources` is
    {file: text}."""
    files, inlines = {}, set()
    for name, text in sources.items():
        functions = STATIC.findall(without_comments(text))
        if name.endswith(".h"):  # a copy of an inline function is in each file that calls it
            inlines.update(functions)
        for function in functions:
            files.setdefault(function, set()).add(name)
    for source, function in static_symbols(build) if build else ():
        if source in sources and function not in inlines:
            files.setdefault(function, set()).add(source)
    yield from ((function, found) for function, found in sorted(files.items()) if len(found) > 1)


def python_files(root):
    """Yield the Python files of the tree; commands have no ending, but their first line names the interpreter."""
    for place, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT)
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix == ".py":
                yield path
            elif not path.suffix and path.is_file():
                with path.open("rb") as f:
                    if re.match(rb"#!.*\bpython3?\b", f.readline(200)):
                        yield path


def long_lines(path, columns_max):
    """Yield the number of each line with more columns."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if len(line) > columns_max:
            yield number


def main(root, build):
    faults = []
    files = sorted(p for f in FOLDERS for p in (root / f).glob("**/*.[ch]"))
    order, includes = folder_order(root), {}
    for language, paths in (("C", sorted(files + list((root / "tests").glob("**/*.[ch]")))),
                            ("Python", python_files(root))):
        for path in paths:
            faults += [f"{path.relative_to(root)}:{number}: longer than {COLUMNS_MAX[language]} columns"
                       for number in long_lines(path, COLUMNS_MAX[language])]
    for library, stem, name in public_names(build) if build else ():
        if not name.startswith((stem, "__")):
            faults.append(f"{library}: {name} of {stem}.c does not begin with {stem}")
    for path in files:
        name = str(path.relative_to(root))
        text = path.read_text()
        if name.endswith(".h"):
            match = TITLE.match(text)
            if not match or match[1] != name:
                faults.append(f"{name}:1: the first line must be \"/* {name} | \" and what the file is")
        if str(path.parent.relative_to(root)) not in order:
            faults.append(f"{name}: its folder is not in docs/ARCHITECTURE.md")
            continue
        faults += [f"{name}:{line}: {fault}" for line, fault in dropped_results(text)]
        includes[name] = []
        for kind, header in INCLUDE.findall(text):
            if kind == '"':
                includes[name].append(header)
                if not (root / header).exists():
                    faults.append(f"{name}: includes {header}, which does not exist")
            for door, allowed in DOORS.items():
                if (header == door or (door.endswith("/") and header.startswith(door))) and name not in allowed:
                    faults.append(f"{name}: includes <{header}>; only {', '.join(sorted(allowed))} may")
            for source, target in FORBIDDEN:
                if name.startswith(source + "/") and header.startswith(target + "/"):
                    faults.append(f"{name}: {source}/ must not include {header}")

    sources = {str(path.relative_to(root)): path.read_text() for path in files}
    for function, found in shared_statics(sources, build):
        faults.append(f"{function}: a static function of this name is in {', '.join(sorted(found))}; "
                      "rename all but one")

    stems = {}
    for name in includes:
        stem = Path(name).stem
        other = stems.setdefault(stem, Path(name).parent)
        if other != Path(name).parent:
            faults.append(f"{name}: {other}/{stem} has the same stem")

    for name, headers in includes.items():
        place = order.index(str(Path(name).parent))
        for header in headers:
            if header in includes and order.index(str(Path(header).parent)) > place:
                faults.append(f"{name}: includes {header}, whose folder is above")

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
    source = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    sys.exit(main(source, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
