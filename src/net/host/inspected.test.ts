import { expect, test } from "bun:test";
import { INSPECTED_BYTES, type Inspection } from "../types.ts";
import { InspectedStream } from "./inspected.ts";

function streamFor(inspect: (bytes: Uint8Array, ended: boolean) => Inspection) {
  const written: Uint8Array[] = [];
  let denied = 0;
  const far = {
    write(bytes: Uint8Array) {
      written.push(Uint8Array.from(bytes));
      return bytes.length;
    },
    ...{ end() {}, reset() {}, pause() {}, resume() {} },
  };
  const stream = new InspectedStream(far, inspect, () => void denied++);
  return { stream, text: () => Buffer.concat(written).toString("latin1"), denied: () => denied };
}

test("what is held comes out as it went in, however it was cut", () => {
  const text = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(33 + (i % 90))).join("");
  for (const size of [1, 7, 1000, 3000]) {
    const { stream, text: seen } = streamFor((bytes) => (bytes.length < 2500 ? "more" : "pass"));
    const buffer = new Uint8Array(size);
    for (let at = 0; at < text.length; at += size) {
      const part = buffer.subarray(0, Math.min(size, text.length - at));
      part.set(Buffer.from(text.slice(at, at + size), "latin1"));
      expect(stream.write(part)).toBe(part.length);
      buffer.fill(0);
    }
    expect(seen()).toBe(text);
  }
});

test("what is undecided at the limit or the end is refused, and nothing of it goes on", () => {
  const limit = streamFor(() => "more");
  limit.stream.write(new Uint8Array(INSPECTED_BYTES - 1));
  expect(limit.denied()).toBe(0);
  limit.stream.write(new Uint8Array(10));
  const end = streamFor(() => "more");
  end.stream.write(new Uint8Array(10));
  end.stream.end();
  expect([limit.denied(), limit.text(), end.denied(), end.text()]).toEqual([1, "", 1, ""]);
});
