"""SIGTERM: queries that have arrived are answered, and the exit status is 0, also during floods."""
import signal
import socket
import threading
import time


import lab
from test_tcp import connect, read_frames, wire

ZONE = "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"


def test_received_queries_are_answered(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": ZONE})
    idle, busy, waiting = connect(server), connect(server), None
    server.process.send_signal(signal.SIGSTOP)
    busy.sendall(b"".join(wire(n) for n in range(8000)))
    waiting = connect(server)  # accepted by the kernel, not yet by the server
    waiting.sendall(wire(5))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.sendto(wire(6)[2:], ("127.0.0.1", server.port))
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        assert udp.recv(1000)[:2] == b"\0\6"
    assert read_frames(busy) == list(range(8000))
    assert read_frames(waiting) == [5]
    assert read_frames(idle) == []
    for s in (idle, busy, waiting):
        s.close()
    server.stop()


def test_open_connection_does_not_delay_the_stop(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": ZONE})
    with connect(server) as s:
        s.sendall(wire(1))
        assert read_frames(s, 1) == [1]
        server.stop()


def test_stop_during_a_flood(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": ZONE})
    over = threading.Event()

    def flood():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", server.port))
            packet = wire(1)[2:]
            for _ in range(2_000_000):
                if over.is_set():
                    break
                try:
                    s.send(packet)
                except OSError:
                    pass

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    try:
        server.stop(60)  # during the flood
    finally:
        over.set()
        for t in threads:
            t.join()


def test_sigint(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": ZONE})
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0  # before stop(), which would send SIGTERM
    server.stop()
    assert "stopping on SIGINT" in server.log()
