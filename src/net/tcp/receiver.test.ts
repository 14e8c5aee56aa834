import { expect, test } from "bun:test";
import { Budget } from "../budget.ts";
import { BUFFER_BUDGET, FIRST_WINDOW, MAX_SEND_BUFFER } from "../limits.ts";
import { Receiver } from "./receiver.ts";

const BYTES = new Uint8Array(60_000).fill(7);
const nothing = { take: () => 0, onEnd() {} };

test("a segment that comes early again and again is kept once", () => {
  const budget = new Budget(BUFFER_BUDGET, MAX_SEND_BUFFER);
  const receiver = new Receiver(nothing, budget);
  for (let i = 0; i < 256; i++) receiver.receive(1, BYTES, 0, BYTES.length, false);
  // Nor parts of it, wherever they begin.
  for (let i = 0; i < 200; i++) receiver.receive(2 + i, BYTES, 0, BYTES.length, i % 2 === 0);
  expect(budget.used).toBeGreaterThanOrEqual(BYTES.length);
  expect(budget.used).toBeLessThan(BYTES.length + 1000);
  receiver.stop();
  expect(budget.used).toBe(0);
});

test("what connections keep, early or not taken, is within the budget, and comes again when there is room", () => {
  const total = 4 * 1024 * 1024;
  const budget = new Budget(total, 1024 * 1024);
  let takes = 0;
  const host = { take: (bytes: Uint8Array) => Math.min(bytes.length, takes), onEnd() {} };
  const receivers = Array.from({ length: 400 }, () => new Receiver(host, budget));
  for (const [index, receiver] of receivers.entries())
    receiver.receive(index % 2, BYTES, 0, BYTES.length, false);
  expect(budget.used).toBeLessThanOrEqual(total);
  expect(budget.used).toBeGreaterThan(total / 2);
  const last = receivers.at(-2) as Receiver;
  expect(last.next).toBe(0);
  for (const receiver of receivers.slice(0, -2)) receiver.stop();
  last.receive(0, BYTES, 0, BYTES.length, true);
  expect([last.next, last.keptBytes, last.hasEnded]).toEqual([BYTES.length + 1, BYTES.length, false]);
  takes = BYTES.length;
  last.drain();
  expect([last.keptBytes, last.hasEnded]).toEqual([0, true]);
});

test("single bytes that a host does not take cost no more than larger pieces", () => {
  const budget = new Budget(BUFFER_BUDGET, MAX_SEND_BUFFER);
  const receiver = new Receiver(nothing, budget);
  for (let place = 0; place < FIRST_WINDOW; place++) receiver.receive(place, BYTES, 0, 1, false);
  expect(receiver.keptBytes).toBe(FIRST_WINDOW);
  expect(budget.used).toBeGreaterThanOrEqual(FIRST_WINDOW);
  expect(budget.used).toBeLessThan(FIRST_WINDOW * 1.2);
});

test("a FIN counts where it follows all that came before, and data that lies over an early one is no end", () => {
  let ends = 0;
  const host = { take: (bytes: Uint8Array) => bytes.length, onEnd: () => void ends++ };
  const receiver = new Receiver(host, new Budget(BUFFER_BUDGET, MAX_SEND_BUFFER));
  expect(receiver.receive(10, BYTES, 0, 0, true)).toBe("early");
  expect(receiver.receive(0, BYTES, 0, 20, false)).toBe("taken");
  expect([receiver.next, receiver.hasFin, ends]).toEqual([20, false, 0]);
  expect(receiver.receive(20, BYTES, 0, 0, true)).toBe("taken");
  expect([receiver.next, receiver.hasEnded, ends]).toEqual([21, true, 1]);
});
