import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  encodeFrame,
  FrameDecoder,
  FrameType,
  HEADER_BYTES,
  MAX_DATA_BYTES,
  MAX_OPEN_BYTES,
  ProtocolError,
} from "./frame.ts";
import { decodeJson, encodeJson } from "./json.ts";

interface Plain {
  type: number;
  channel: number;
  stream: number;
  payload: string;
}

/** Feeds the pieces in turn; the frames as plain values. */
function decode(pieces: Iterable<Uint8Array>): Plain[] {
  const decoder = new FrameDecoder();
  const frames: Plain[] = [];
  for (const piece of pieces) {
    decoder.push(piece, ({ payload, ...rest }) =>
      frames.push({ ...rest, payload: Buffer.from(payload).toString("hex") }),
    );
  }
  return frames;
}

function cut(bytes: Uint8Array, sizes: number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (let i = 0; offset < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1);
    pieces.push(bytes.subarray(offset, offset + size));
    offset += size;
  }
  return pieces;
}

const dataFrame = fc.record({
  type: fc.constantFrom(FrameType.data, FrameType.control, FrameType.result, FrameType.fail, FrameType.open),
  channel: fc.nat(255),
  stream: fc.nat(0xffffffff),
  payload: fc.uint8Array({ maxLength: 300 }),
});
const emptyFrame = fc.record({
  type: fc.constantFrom(FrameType.end, FrameType.cancel),
  channel: fc.nat(255),
  stream: fc.nat(0xffffffff),
  payload: fc.constant(new Uint8Array(0)),
});

test("the header is laid out as documented", () => {
  const frame = encodeFrame(FrameType.data, 0x01020304, Buffer.from("ab"), 2);
  expect(Buffer.from(frame).toString("hex")).toBe("04020000" + "01020304" + "00000002" + "6162");
});

test("a buffer that is used again carries nothing over", () => {
  const target = new Uint8Array(64).fill(0xff);
  const frame = encodeFrame(FrameType.end, 7, new Uint8Array(0), 1, target);
  expect(frame.buffer).toBe(target.buffer);
  expect(Buffer.from(frame).toString("hex")).toBe("050100000000000700000000");
  expect(encodeFrame(FrameType.data, 1, new Uint8Array(100), 0, target).buffer).not.toBe(target.buffer);
});

test("any frames come out as they went in, however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(dataFrame, emptyFrame), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 20 }),
      (frames, sizes) => {
        const bytes = Buffer.concat(frames.map((f) => encodeFrame(f.type, f.stream, f.payload, f.channel)));
        const expected = frames.map((f) => ({ ...f, payload: Buffer.from(f.payload).toString("hex") }));
        expect(decode(cut(bytes, sizes))).toEqual(expected);
      },
    ),
  );
});

test("payloads of Buffers are plain arrays: slice() copies", () => {
  const decoder = new FrameDecoder();
  const bytes = Buffer.from(encodeFrame(FrameType.data, 1, Buffer.from("abc")));
  let copy: Uint8Array | undefined;
  decoder.push(bytes, (frame) => {
    copy = frame.payload.slice();
  });
  bytes.fill(0);
  expect(Buffer.from(copy ?? []).toString()).toBe("abc");
});

describe("a header that breaks the rules is refused before its payload", () => {
  const header = (type: number, length: number, reserved = 0) => {
    const bytes = Buffer.alloc(HEADER_BYTES);
    bytes.writeUInt8(type, 0);
    bytes.writeUInt16BE(reserved, 2);
    bytes.writeUInt32BE(length, 8);
    return bytes;
  };
  const cases: [string, Buffer][] = [
    ["type 0", header(0, 0)],
    ["unknown type", header(12, 0)],
    ["type 255", header(255, 0xffffffff)],
    ["data too long", header(FrameType.data, MAX_DATA_BYTES + 1)],
    ["open too long", header(FrameType.open, MAX_OPEN_BYTES + 1)],
    ["4 GiB", header(FrameType.open, 0xffffffff)],
    ["end with payload", header(FrameType.end, 1)],
    ["cancel with payload", header(FrameType.cancel, 1)],
    ["short credit", header(FrameType.credit, 3)],
    ["empty credit", header(FrameType.credit, 0)],
    ["long credit", header(FrameType.credit, 5)],
    ["reserved bytes", header(FrameType.data, 1, 1)],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => expect(() => decode([bytes])).toThrow(ProtocolError));
  }
});

test("random bytes give frames or a ProtocolError, nothing else", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 30 }), (pieces) => {
      try {
        decode(pieces);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { numRuns: 2000 },
  );
});

test("JSON payloads are text in UTF-8 or refused", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(decodeJson(encodeJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  expect(decodeJson(encodeJson(undefined))).toBeUndefined();
  for (const bytes of ["ff", "7b", "22c328", Buffer.from("[".repeat(60_000)).toString("hex")])
    expect(() => decodeJson(Buffer.from(bytes, "hex"))).toThrow(ProtocolError);
});
