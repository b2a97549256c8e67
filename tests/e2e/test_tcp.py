"""DNS over TCP: pipelining, segments, half-closed and slow clients, and the idle timeout."""
import socket
import struct
import time

import dns.message
import pytest

import lab

ZONE = "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n$GENERATE 1-300 big TXT \"" + "x" * 190 + " $\"\n"


@pytest.fixture(scope="module", params=["", "tsan"])
def server(request, tmp_path_factory):
    build = lab.choose_build(request.param)
    server = lab.Authd(tmp_path_factory.mktemp("tcp"), {"a.test": ZONE}, build=build)
    yield server
    server.stop()


def wire(number, name="ns.a.test", rdtype="A"):
    query = dns.message.make_query(name, rdtype, use_edns=-1)
    query.id = number
    data = query.to_wire()
    return struct.pack("!H", len(data)) + data


def connect(server, timeout=10):
    s = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_frames(s, count=None):
    """The IDs of the answers, up to `count` or until the connection is closed."""
    data, ids = b"", []
    while count is None or len(ids) < count:
        more = s.recv(1 << 16)
        if not more:
            assert count is None and data == b"", "closed within an answer"
            break
        data += more
        while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
            size = struct.unpack("!H", data[:2])[0]
            ids.append(struct.unpack("!H", data[2:4])[0])
            data = data[2 + size:]
    return ids


def test_pipelining(server):
    with connect(server) as s:
        s.sendall(b"".join(wire(n) for n in range(5000)))
        assert sorted(read_frames(s, 5000)) == list(range(5000))


def test_pieces_of_one_octet(server):
    with connect(server) as s:
        for byte in wire(7) + wire(8):
            s.sendall(bytes([byte]))
        assert read_frames(s, 2) == [7, 8]


def test_half_closed(server):
    with connect(server) as s:
        s.sendall(b"".join(wire(n) for n in range(100)) + b"\0\x20incomplete")
        s.shutdown(socket.SHUT_WR)
        assert read_frames(s) == list(range(100))


def test_reader_that_starts_late(server):
    """The server stops reading when answers of 60 kB pile up; all arrive when the client reads."""
    with connect(server, 30) as s:
        s.setblocking(False)
        data = b"".join(wire(n, "big.a.test", "TXT") for n in range(200))
        while data:
            try:
                data = data[s.send(data):]
            except BlockingIOError:
                break
        time.sleep(1)
        s.settimeout(30)
        if data:
            s.sendall(data)
        assert sorted(read_frames(s, 200)) == list(range(200))


def test_largest_message(server):
    """A query of 65,535 octets gets FORMERR, and the connection stays open."""
    with connect(server) as s:
        s.sendall(struct.pack("!H", 65535) + wire(9)[2:] + b"\0" * (65535 - len(wire(9)) + 2) + wire(10))
        assert read_frames(s, 2) == [9, 10]


def test_malformed_queries_are_dropped(server):
    with connect(server) as s:
        s.sendall(b"\0\0" * 100 + b"\0\5abcde" + wire(3))
        assert read_frames(s, 1) == [3]


def test_reset_within_a_query(server):
    for size in range(0, 40, 3):
        s = connect(server)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(wire(1, "big.a.test", "TXT")[:size])
        s.close()
    assert server.ask("ns.a.test", tcp=True).answer


def test_idle_connections_are_closed(server):
    """Connections are closed 10 s after the last answer; malformed queries do not keep them open."""
    with connect(server, 90) as idle, connect(server, 90) as noisy:
        start = time.monotonic()
        noisy.settimeout(0.5)
        closed = False
        while not closed and time.monotonic() - start < 90:
            try:
                noisy.sendall(b"\0\0")
                closed = noisy.recv(1) == b""
            except TimeoutError:
                pass
            except OSError:
                closed = True
        took = time.monotonic() - start
        assert closed and took > 8
        assert idle.recv(1) == b""
