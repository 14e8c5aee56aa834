import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { heldMemory } from "../../../held-memory.fixture.ts";
import { Channel } from "../../../protocol/index.ts";
import { ByteRing } from "./byte-ring.ts";
import { OutputBuffer, type OutputChannel } from "./output-buffer.ts";
import { lastLines } from "./process-logs.ts";
import { pattern } from "./processes.fixture.ts";
import { Stamps } from "./stamps.ts";

const { stdout, stderr } = Channel;
const bytes = (text: string) => Buffer.from(text);
const channel = fc.constantFrom<OutputChannel>(stdout, stderr);

/** Whether a promise has settled once everything that can happen has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await Bun.sleep(0);
  return settled;
}

test("a ring has the last bytes, whatever was added and dropped", () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(3000) }),
    fc.record({ drop: fc.nat(3000) }),
    fc.constant({ trim: true } as const),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
      const ring = new ByteRing(capacity);
      for (const next of steps) {
        if ("add" in next) ring.append(pattern(stdout, ring.written, Math.min(next.add, ring.free)));
        else if ("drop" in next) ring.drop(Math.min(next.drop, ring.written - ring.oldest));
        else ring.trim();
        const kept = ring.copy(ring.oldest, ring.written - ring.oldest);
        expect(Buffer.compare(kept, pattern(stdout, ring.oldest, kept.length))).toBe(0);
      }
    }),
  );
});

test("stamps are those of the parts, and beyond their number of the oldest", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 100 }),
      fc.nat(50),
      (sizes, drop) => {
        const stamps = new Stamps(32);
        let end = 0;
        const parts = sizes.map((size, stamp) => {
          stamps.add(end, stamp);
          end += size;
          return { start: end - size, stamp, end };
        });
        const known = parts.slice(-31);
        for (const { start, stamp, end } of known.slice(0, -1)) {
          expect(stamps.partAt(start)).toEqual({ stamp, end });
          expect(stamps.partAt(end - 1)).toEqual({ stamp, end });
        }
        if (parts.length > 32) expect(stamps.partAt(0)).toEqual({ stamp: 0, end: known[0]?.start as number });
        stamps.dropBefore(drop);
        for (const { start, stamp } of known)
          if (start >= drop) expect(stamps.partAt(start).stamp).toBe(stamp);
      },
    ),
  );
});

describe("output that nobody holds", () => {
  test("flows on: the last of each channel is kept, and readers are told what they missed", async () => {
    const output = new OutputBuffer(1000);
    const early = output.channel(stdout).reader(0);
    await output.write(stderr, bytes("one warning\n"));
    for (let at = 0; at < 5000; at += 100) await output.write(stdout, pattern(stdout, at, 100));
    output.end();
    expect([output.channel(stdout).oldest, output.channel(stdout).written, output.size]).toEqual([
      4000, 5000, 1012,
    ]);
    expect(await early.next()).toMatchObject({
      offset: 4000,
      lost: 4000,
      bytes: new Uint8Array(pattern(stdout, 4000, 1000)),
    });
    expect(await early.next()).toBeUndefined();
    expect(await output.channel(stderr).reader(0).next()).toMatchObject({
      lost: 0,
      bytes: new Uint8Array(bytes("one warning\n")),
    });
  });

  test("costs no more memory than is kept", async () => {
    const before = heldMemory();
    const buffers: OutputBuffer[] = [];
    for (let count = 0; count < 16; count++) {
      const output = new OutputBuffer();
      buffers.push(output);
      // The worst case: each byte is a part of its own.
      for (let round = 0; round < 20_000; round++) {
        await output.write(stdout, Uint8Array.of(0x78));
        await output.write(stderr, Uint8Array.of(0x79));
      }
      for (let round = 0; round < 20; round++) {
        await output.write(stdout, new Uint8Array(65_536));
        await output.write(stderr, new Uint8Array(65_536));
      }
    }
    // For each channel 512 KiB, and 128 KiB of stamps.
    expect(heldMemory() - before).toBeLessThan(16 * 1.5 * 1024 * 1024);
    expect(buffers.length).toBe(16);
  }, 30_000);
});

describe("a reader that holds", () => {
  test("holds up its channel when the buffer is full, and no other", async () => {
    const output = new OutputBuffer(1000);
    const reader = output.channel(stdout).reader(0, 0);
    await output.write(stdout, new Uint8Array(900));
    const second = output.write(stdout, new Uint8Array(300));
    expect(await isSettled(second)).toBe(false);
    await output.write(stderr, new Uint8Array(5000));
    expect((await reader.next())?.bytes.length).toBe(1000);
    // It has not dealt with that yet.
    expect(await isSettled(second)).toBe(false);
    expect((await reader.next())?.bytes.length).toBe(200);
    expect(await isSettled(second)).toBe(true);
  });

  test("lets go when it is closed", async () => {
    const output = new OutputBuffer(1000);
    const reader = output.channel(stdout).reader(0, 0);
    const flood = output.write(stdout, new Uint8Array(100_000));
    expect(await isSettled(flood)).toBe(false);
    reader.close();
    await flood;
    expect(await reader.next()).toBeUndefined();
  });

  test("finds again what it had taken a moment ago", async () => {
    const output = new OutputBuffer(1000);
    const reader = output.channel(stdout).reader(0, 300);
    const flood = output.write(stdout, pattern(stdout, 0, 10_000));
    while (reader.offset < 10_000) {
      await reader.next();
      expect(output.channel(stdout).oldest).toBeLessThanOrEqual(Math.max(0, reader.needs));
    }
    await flood;
  });

  test("never stops the process for good, even if it wants more than there is room for", async () => {
    const output = new OutputBuffer(100);
    const reader = output.channel(stdout).reader(0, 1_000_000);
    void output.write(stdout, new Uint8Array(10_000)).then(() => output.end());
    let read = 0;
    for (let piece = await reader.next(); piece !== undefined; piece = await reader.next())
      read += piece.bytes.length;
    expect(read).toBe(10_000);
  });
});

/** What a reader of the test has seen. */
interface Seen {
  readonly channel: OutputChannel;
  readonly holds: boolean;
  offset: number;
  lost: number;
  reader: ReturnType<ReturnType<OutputBuffer["channel"]>["reader"]>;
}

test("whatever is written, read, left and taken up again: each byte in its place, or counted as lost", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ write: channel, size: fc.nat(700) }) },
    { weight: 4, arbitrary: fc.record({ read: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ open: channel, holds: fc.boolean(), back: fc.nat(600) }) },
    { weight: 1, arbitrary: fc.record({ close: fc.nat(5) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), async (steps) => {
      const capacity = 1000;
      const output = new OutputBuffer(capacity);
      const asked = { [stdout]: 0, [stderr]: 0 };
      const writes: Record<OutputChannel, Promise<void>> = {
        [stdout]: Promise.resolve(),
        [stderr]: Promise.resolve(),
      };
      let readers: Seen[] = [];
      const check = (seen: Seen) => {
        const piece = seen.reader.take();
        if (piece === undefined) return false;
        expect(piece.offset).toBe(seen.offset + piece.lost);
        expect(Buffer.compare(piece.bytes, pattern(seen.channel, piece.offset, piece.bytes.length))).toBe(0);
        if (seen.holds) expect(piece.lost).toBe(0);
        seen.lost += piece.lost;
        seen.offset = piece.offset + piece.bytes.length;
        return true;
      };
      for (const next of steps) {
        if ("write" in next) {
          const data = pattern(next.write, asked[next.write], next.size);
          asked[next.write] += next.size;
          writes[next.write] = writes[next.write].then(() => output.write(next.write, data));
        } else if ("read" in next) {
          const seen = readers[next.read % Math.max(1, readers.length)];
          if (seen !== undefined) check(seen);
        } else if ("open" in next) {
          const buffer = output.channel(next.open);
          const offset = Math.max(buffer.oldest, buffer.written - next.back);
          const reader = buffer.reader(offset, next.holds ? 0 : undefined);
          readers.push({ channel: next.open, holds: next.holds, offset, lost: 0, reader });
        } else {
          const [closed] = readers.splice(next.close % Math.max(1, readers.length), 1);
          closed?.reader.close();
        }
        await Bun.sleep(0);
        expect(output.size).toBeLessThanOrEqual(2 * capacity);
      }
      // Those who stay read to the end.
      const last = Promise.all(Object.values(writes)).then(() => output.end());
      let over = false;
      void last.then(() => {
        over = true;
      });
      while (!over || readers.some(check)) {
        for (const seen of readers) check(seen);
        await Bun.sleep(0);
      }
      for (const { channel, offset } of readers) expect(offset).toBe(asked[channel]);
      readers = [];
    }),
    { numRuns: 150 },
  );
}, 60_000);

describe("both channels together", () => {
  test("are in the order in which they were written", async () => {
    const output = new OutputBuffer(100_000);
    const now = new AbortController();
    const coming = output.fromNow(now.signal);
    const expected: string[] = [];
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { channel, bytes } of coming) seen.push(`${channel}${Buffer.from(bytes)}`);
    })();
    // From its first step on.
    await Bun.sleep(0);
    for (let line = 0; line < 1000; line++) {
      const channel = line % 3 === 0 ? stderr : stdout;
      expected.push(`${channel}line ${line};`);
      await output.write(channel, bytes(`line ${line};`));
    }
    output.end();
    await reading;
    const order = (parts: string[]) => parts.join("").replaceAll(/;[12]/g, ";");
    const soFar = output.soFar().map(({ channel, bytes }) => `${channel}${Buffer.from(bytes)}`);
    expect(order(soFar)).toBe(order(expected));
    expect(order(seen)).toBe(order(expected));
    // Pieces have times.
    const [first] = output.soFar();
    expect(Math.abs((first?.time ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  test("have their last lines counted, unfinished ones too", async () => {
    const output = new OutputBuffer();
    await output.write(stdout, bytes("a\nb\nc"));
    await output.write(stderr, bytes("E\nF"));
    await output.write(stdout, bytes("c\nd"));
    const last = (count: number) =>
      lastLines(output.soFar(), count)
        .map(({ bytes }) => Buffer.from(bytes).toString())
        .join("|");
    expect(last(0)).toBe("");
    expect(last(1)).toBe("d");
    expect(last(2)).toBe("c\nd");
    expect(last(3)).toBe("F|c\nd");
    expect(last(4)).toBe("c|E\nF|c\nd");
    expect(last(99)).toBe("a\nb\nc|E\nF|c\nd");
  });
});

test("the last bytes of a channel begin with a line where there is one", async () => {
  const output = new OutputBuffer(1000);
  const start = (count: number) => output.channel(stdout).startOfLast(count);
  await output.write(stdout, bytes("first\nsecond\nthird\n"));
  expect([start(0), start(1), start(6), start(7), start(12), start(18), start(19), start(99)]).toEqual([
    19, 18, 13, 13, 13, 6, 0, 0,
  ]);
  await output.write(stdout, new Uint8Array(995).fill(0x78));
  expect([start(10), start(1000)]).toEqual([1004, 19]);
});
