"""WebSockets (RFC 6455) over asyncio: as much of them as is needed here, with nothing but the standard library."""

import asyncio
import base64
import hashlib
import os
import struct
import urllib.parse

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
FRAME_MAX = 1 << 20


class Closed(Exception):
    """The other end is gone."""


class WebSocket:
    def __init__(self, masks):
        self.masks = masks  # what a client sends is masked

    @classmethod
    async def accept(cls, reader, writer):
        """The other end of a connection that somebody has made."""
        socket = cls(masks=False)
        socket.reader, socket.writer = reader, writer
        _, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        values = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in headers)}
        accept = base64.b64encode(hashlib.sha1(values[b"sec-websocket-key"] + MAGIC).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        return socket

    @classmethod
    async def connect(cls, url, protocol=None):
        socket = cls(masks=True)
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme == "wss"
        port = parts.port or (443 if secure else 80)
        socket.reader, socket.writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
        key = base64.b64encode(os.urandom(16))
        lines = [
            f"GET {parts.path or '/'} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key.decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        try:
            socket.writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await socket.reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            socket.writer.close()
            raise Closed(str(error)) from None
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
        status, *headers = head.split(b"\r\n")
        values = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in headers)}
        if b" 101 " not in status or values.get(b"sec-websocket-accept") != accept:
            socket.writer.close()
            raise Closed(f"no WebSocket there: {status.decode(errors='replace')}")
        return socket

    async def receive(self):
        """The next text."""
        text = b""
        while True:
            try:
                first, second = await self.reader.readexactly(2)
                length = second & 0x7F
                if length == 126:
                    (length,) = struct.unpack(">H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
                if length > FRAME_MAX:
                    raise Closed(f"a frame of {length} bytes")
                mask = await self.reader.readexactly(4) if second & 0x80 else b""
                payload = await self.reader.readexactly(length)
                if mask:
                    payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
            except (OSError, asyncio.IncompleteReadError) as error:
                raise Closed(str(error)) from None
            opcode = first & 0x0F
            if opcode == CLOSE:
                raise Closed("closed by the other end")
            if opcode == PING:
                self._frame(PONG, payload)
            elif opcode != PONG:
                text += payload
                if first & 0x80:
                    return text.decode()

    def send(self, text):
        self._frame(TEXT, text.encode())

    def close(self):
        self._frame(CLOSE, b"")
        self.writer.close()

    def _frame(self, opcode, payload):
        if self.writer.is_closing():
            return
        masked = 0x80 if self.masks else 0
        if len(payload) < 126:
            length = struct.pack(">B", masked | len(payload))
        elif len(payload) < 1 << 16:
            length = struct.pack(">BH", masked | 126, len(payload))
        else:
            length = struct.pack(">BQ", masked | 127, len(payload))
        mask = b""
        if self.masks:
            mask = os.urandom(4)
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.writer.write(bytes([0x80 | opcode]) + length + mask + payload)
