import { expect, test } from "bun:test";
import fc from "fast-check";
import { heldMemory } from "../held-memory.fixture.ts";
import { ProtocolError } from "./frame.ts";
import { ReceiveWindow, SendWindow, WINDOW_BYTES } from "./window.ts";

test("a sender may use its window, and again what is granted, and no more", () => {
  const window = new SendWindow();
  window.take(WINDOW_BYTES);
  expect(window.available).toBe(0);
  window.grant(10);
  expect(window.available).toBe(10);
  expect(() => window.grant(WINDOW_BYTES)).toThrow(ProtocolError);
  expect(() => new SendWindow().grant(1)).toThrow(ProtocolError);
});

test("waiting for the window ends with credit or with its end", async () => {
  const window = new SendWindow();
  window.take(WINDOW_BYTES);
  const granted = window.ready();
  window.grant(1);
  await granted;
  window.take(1);
  const closed = window.ready();
  window.close();
  await closed;
});

test("what is unread is never more than the window", () => {
  const window = new ReceiveWindow(() => {});
  for (let i = 0; i < 4; i++) window.push(new Uint8Array(WINDOW_BYTES / 4));
  expect(() => window.push(new Uint8Array(1))).toThrow(ProtocolError);
});

test("nothing follows the end, and no frame is empty", () => {
  const window = new ReceiveWindow(() => {});
  expect(() => window.push(new Uint8Array(0))).toThrow(ProtocolError);
  window.end();
  expect(() => window.push(new Uint8Array(1))).toThrow(ProtocolError);
});

test("bytes come out in order, copied, with all of them granted again but less than half a window", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 200 }), async (sizes) => {
      let granted = 0;
      let inFlight = 0;
      const window = new ReceiveWindow((bytes) => {
        granted += bytes;
        inFlight -= bytes;
      });
      const sent: number[] = [];
      const received: number[] = [];
      const reader = (async () => {
        for await (const chunk of window.read()) received.push(...chunk);
      })();
      for (const [i, size] of sizes.entries()) {
        while (inFlight + size > WINDOW_BYTES) await Bun.sleep(0);
        const bytes = new Uint8Array(size).fill(i);
        sent.push(...bytes);
        window.push(bytes);
        inFlight += size;
        bytes.fill(0xee);
        if (i % 3 === 0) await Promise.resolve();
      }
      window.end();
      await reader;
      expect(received).toEqual(sent);
      expect(sent.length - granted).toBeLessThan(WINDOW_BYTES / 2 + 9000);
    }),
    { numRuns: 30 },
  );
});

test("a window full of single bytes costs little more than the window", () => {
  const before = heldMemory();
  const windows = Array.from({ length: 20 }, () => {
    const window = new ReceiveWindow(() => {});
    for (let i = 0; i < WINDOW_BYTES; i++) window.push(Uint8Array.of(i));
    return window;
  });
  // A buffer for each byte would be 500 MiB and more.
  expect(heldMemory() - before).toBeLessThan(windows.length * WINDOW_BYTES * 4);
});
