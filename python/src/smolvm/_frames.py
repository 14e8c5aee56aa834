"""Frames of the protocol between this package and the program (docs/protocol.md, "Frames")."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

HELLO, OPEN, ACCEPT, DATA, END, CREDIT, CONTROL, RESULT, FAIL, CANCEL, EVENT = range(1, 12)

#: Bytes that may be under way on one channel of one stream.
WINDOW = 256 * 1024
#: Bytes of one data frame.
MAX_DATA = 64 * 1024
#: Bytes of a request.
MAX_OPEN = 1024 * 1024
#: The protocol that this package speaks, and the oldest that it understands.
PROTOCOL = 3

_HEADER = struct.Struct(">BBHII")
#: The largest payload of each type: docs/protocol.md.
_LARGEST = {OPEN: MAX_OPEN, END: 0, CREDIT: 4, CANCEL: 0}


class ProtocolError(Exception):
    """The other side broke a rule of the protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    type: int
    channel: int
    stream: int
    payload: bytes


def encode(type: int, stream: int, payload: bytes = b"", channel: int = 0) -> bytes:
    return _HEADER.pack(type, channel, 0, stream, len(payload)) + payload


def encode_json(value: Any) -> bytes:
    """JSON in which bytes that are not UTF-8 (`surrogateescape`) stay what they are."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def encode_credit(stream: int, channel: int, count: int) -> bytes:
    return encode(CREDIT, stream, count.to_bytes(4, "big"), channel)


def decode_json(payload: bytes) -> Any:
    """Raises ProtocolError."""
    if payload == b"":
        return None
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a payload is no JSON") from error


def read(source: BinaryIO) -> Frame | None:
    """The next frame; None at the end. Raises ProtocolError before it keeps a payload that is too large."""
    header = source.read(_HEADER.size)
    if header == b"":
        return None
    if len(header) < _HEADER.size:
        raise ProtocolError("it ends within a frame")
    type, channel, reserved, stream, length = _HEADER.unpack(header)
    if not HELLO <= type <= EVENT or reserved != 0 or channel > 3:
        raise ProtocolError("a frame has a header that is none")
    if length > _LARGEST.get(type, MAX_DATA):
        raise ProtocolError(f"a frame of type {type} announces {length} bytes")
    payload = source.read(length)
    if len(payload) < length:
        raise ProtocolError("it ends within a frame")
    return Frame(type, channel, stream, payload)
