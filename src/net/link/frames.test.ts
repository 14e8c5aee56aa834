import { expect, test } from "bun:test";
import { array, assert, boolean, nat, oneof, property, uint8Array } from "fast-check";
import { MAX_FRAME } from "../limits.ts";
import { FrameReader, PREFIX } from "./frames.ts";

test("frames are the same however the stream is cut, and whether it is read into room or not", () => {
  assert(
    property(
      array(
        oneof(
          uint8Array({ maxLength: 300 }),
          nat(MAX_FRAME).map((length) => new Uint8Array(length).fill(length)),
        ),
        {
          maxLength: 20,
        },
      ),
      array(oneof(nat(500), nat(200_000)), { minLength: 1, maxLength: 20 }),
      array(boolean(), { maxLength: 20 }),
      nat(100_000).map((more) => PREFIX + MAX_FRAME + more),
      (frames, cuts, places, size) => {
        const stream = Buffer.concat(
          frames.flatMap((frame) => {
            const prefix = Buffer.alloc(4);
            prefix.writeUInt32BE(frame.length);
            return [prefix, frame];
          }),
        );
        const read: string[] = [];
        const reader = new FrameReader((bytes, start, end) => {
          read.push(hash(bytes.subarray(start, end)));
        }, size);
        let at = 0;
        for (let turn = 0; at < stream.length; turn++) {
          const length = (cuts[turn % cuts.length] ?? 0) + (turn > 1000 ? 20_000 : 1);
          const part = stream.subarray(at, at + length);
          at += length;
          if ((places[turn % places.length] ?? true) || part.length > reader.room().length) {
            expect(reader.push(part)).toBe(true);
          } else {
            reader.room().set(part);
            expect(reader.filled(part.length)).toBe(true);
          }
        }
        expect(read).toEqual(frames.map(hash));
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
    expect(reader.push(Uint8Array.of(0, 0, 0, 1, 1))).toBe(false);
  }
});

/** Of a frame's bytes, and short. */
const hash = (bytes: Uint8Array) => `${bytes.length} ${Bun.hash(bytes)}`;
