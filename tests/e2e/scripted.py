"""A name server whose replies a function of the test makes, for UDP and TCP."""
import socket
import struct
import threading

import dns.flags
import dns.message
import dns.rrset


class Scripted:
    """An authoritative server: `answer(query, is_tcp)` returns the reply, or None for no reply."""

    def __init__(self, address, port, answer):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((address, port))
        self.tcp.listen(20)
        self.answer, self.faults, self.is_ending = answer, [], False
        for s in (self.udp, self.tcp):
            s.settimeout(0.1)
        self.threads = [threading.Thread(target=self.run, args=(f,), daemon=True)
                        for f in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def run(self, serve):
        while not self.is_ending:
            try:
                serve()
            except TimeoutError:
                pass
            except Exception as fault:
                self.faults.append(fault)

    def reply(self, wire, is_tcp):
        made = self.answer(dns.message.from_wire(wire), is_tcp)
        return made if made is None or isinstance(made, bytes) else made.to_wire(max_size=65535)

    def serve_udp(self):
        wire, client = self.udp.recvfrom(4096)
        reply = self.reply(wire, False)
        if reply:
            self.udp.sendto(reply, client)

    def serve_tcp(self):
        s, _ = self.tcp.accept()
        with s:
            s.settimeout(2)
            while True:
                head = s.recv(2)
                if len(head) < 2:
                    return
                reply = self.reply(s.recv(struct.unpack("!H", head)[0]), True)
                if reply:
                    s.sendall(struct.pack("!H", len(reply)) + reply)

    def stop(self):
        self.is_ending = True
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()
        assert not self.faults


def respond(query, flags=dns.flags.AA, answer=(), authority=(), additional=()):
    reply = dns.message.make_response(query)
    reply.flags |= flags
    for section, records in ((reply.answer, answer), (reply.authority, authority), (reply.additional, additional)):
        section.extend(dns.rrset.from_text(*r) for r in records)
    return reply
