import { expect, test } from "bun:test";
import { array, assert, nat, property, uint8Array } from "fast-check";
import { FrameReader } from "./frames.ts";

test("frames are the same however the stream is cut", () => {
  assert(
    property(
      array(uint8Array({ maxLength: 300 }), { maxLength: 20 }),
      array(nat(500), { minLength: 1, maxLength: 20 }),
      (frames, cuts) => {
        const stream = Buffer.concat(
          frames.flatMap((frame) => {
            const prefix = Buffer.alloc(4);
            prefix.writeUInt32BE(frame.length);
            return [prefix, frame];
          }),
        );
        const read: string[] = [];
        const reader = new FrameReader((bytes, start, end) => {
          read.push(Buffer.from(bytes.subarray(start, end)).toString("hex"));
        });
        let at = 0;
        for (let turn = 0; at < stream.length; turn++) {
          const length = (cuts[turn % cuts.length] ?? 0) + (turn > 1000 ? 1000 : 1);
          expect(reader.push(stream.subarray(at, at + length))).toBe(true);
          at += length;
        }
        expect(read).toEqual(frames.map((frame) => Buffer.from(frame).toString("hex")));
      },
    ),
  );
});

test("a length that no frame has is refused, wherever the stream is cut", () => {
  for (const cut of [1, 2, 3, 4, 8]) {
    const reader = new FrameReader(() => {});
    const stream = Uint8Array.of(0, 1, 0, 0x0e, 1, 2, 3, 4, 5);
    const results = [stream.subarray(0, cut), stream.subarray(cut)].map((part) => reader.push(part));
    expect(results).toContain(false);
  }
});
