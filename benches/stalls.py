#!/usr/bin/env python3
"""A proxy in front of a server that does what a busy server would: it stalls.

    python3 benches/stalls.py HOST:PORT    says where it listens, and lets nothing pass for the first 200 ms of every second

For showing what a load generator makes of that; it carries bytes and knows nothing of what they mean.
"""

import socket
import sys
import threading
import time

STALL = 0.2


class Proxy:
    """Listens at `address` as soon as it is made, until the process ends."""

    def __init__(self, server):
        self.server = server
        self.began = time.monotonic()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        try:
            while received := source.recv(65536):
                into = (time.monotonic() - self.began) % 1.0
                if into < STALL:
                    time.sleep(STALL - into)
                sink.sendall(received)
        except OSError:
            pass  # One side is gone; the other is told by what follows.
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


if __name__ == "__main__":
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit(__doc__)
    host, _, port = sys.argv[1].rpartition(":")
    proxy = Proxy((host, int(port)))
    print("listening on {}:{}".format(*proxy.address), flush=True)
    threading.Event().wait()
