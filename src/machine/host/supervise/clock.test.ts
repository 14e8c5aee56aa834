import { expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock } from "./clock.fixture.ts";
import { hostClock, setAlarm, wasInterrupted } from "./clock.ts";

const DAY = 86_400_000;

test("the host's clocks run, and what counts sleep is not behind what does not", () => {
  const before = hostClock.elapsed();
  expect(before).toBeGreaterThan(0);
  expect(hostClock.elapsed()).toBeGreaterThanOrEqual(before);
  expect(hostClock.elapsed()).toBeGreaterThanOrEqual(performance.now());
  expect(Math.abs(hostClock.date() - Date.now())).toBeLessThan(60_000);
});

test("a timer beyond what setTimeout knows does not end at once, and one that is taken back never does", async () => {
  const ended: string[] = [];
  const cancels = [2 ** 31, 1e15, Number.MAX_SAFE_INTEGER].map((ms) =>
    hostClock.after(ms, () => ended.push(`${ms}`)),
  );
  hostClock.after(1, () => ended.push("taken back"))();
  await new Promise<void>((resolve) => hostClock.after(5, resolve));
  expect(ended).toEqual([]);
  for (const cancel of cancels) cancel();
});

test("an alarm comes when its time has come, not before, also months ahead", async () => {
  const clock = new ManualClock();
  let at: number | undefined;
  setAlarm(clock, 100 * DAY, () => {
    at = clock.elapsed();
  });
  await clock.advance(1);
  for (let day = 1; day <= 100; day++) {
    expect(at).toBeUndefined();
    clock.sleep(0.9 * DAY);
    await clock.advance(0.1 * DAY);
  }
  expect(at).toBeWithin(100 * DAY, 100 * DAY + 60_001);
  expect(Math.max(...clock.waits)).toBeLessThanOrEqual(60_000);
});

test("an alarm whose time came while the host slept comes within a minute, and setting the clock moves none", async () => {
  const clock = new ManualClock();
  let count = 0;
  setAlarm(clock, 3_600_000, () => count++);
  clock.setDate(clock.date() + 10 * DAY);
  await clock.advance(120_000);
  expect(count).toBe(0);
  clock.sleep(8 * 3_600_000);
  await clock.advance(60_000);
  expect(count).toBe(1);
  expect(clock.pending).toBe(0);
});

test("an alarm that is taken back never comes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(500_000), fc.nat(500_000), async (at, until) => {
      const clock = new ManualClock();
      let came = false;
      const cancel = setAlarm(clock, at, () => {
        came = true;
      });
      await clock.advance(until);
      expect(came).toBe(at <= until);
      cancel();
      await clock.advance(1_000_000);
      expect(came).toBe(at <= until);
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("what a busy host does is no interruption; a sleep is", () => {
  expect(wasInterrupted(100, 4000)).toBe(false);
  expect(wasInterrupted(5000, 15_000)).toBe(false);
  expect(wasInterrupted(5000, 15_001)).toBe(true);
  expect(wasInterrupted(100, 5101)).toBe(true);
});
