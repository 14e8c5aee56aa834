import { expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock, settle } from "./clock.fixture.ts";
import { Heartbeat } from "./heartbeat.ts";

/** An agent that answers each ping after so many milliseconds; undefined: never; "fails": with a failure. */
function beating(answer: (ping: number) => number | "fails" | undefined) {
  const clock = new ManualClock();
  const lost: number[] = [];
  let pings = 0;
  const heartbeat = new Heartbeat({
    clock,
    ping: async () => {
      const delay = answer(++pings);
      if (delay === "fails") throw new Error("refused");
      if (delay === undefined) return new Promise(() => {});
      await new Promise<void>((resolve) => clock.after(delay, resolve));
    },
    onLost: (silentMs) => lost.push(silentMs),
  });
  return { clock, heartbeat, lost, pings: () => pings };
}

test("an agent that answers is asked every half minute, and never lost", async () => {
  const { clock, heartbeat, lost, pings } = beating(() => 10);
  heartbeat.start();
  await clock.advance(3_600_000);
  expect(lost).toEqual([]);
  expect(pings()).toBe(121);
  heartbeat.stop();
  await clock.advance(3_600_000);
  expect([pings(), clock.pending]).toEqual([121, 0]);
});

test("one that never answers is lost after 90 seconds or a beat more, once, with one question open", async () => {
  const { clock, heartbeat, lost, pings } = beating((ping) => (ping < 3 ? 0 : undefined));
  heartbeat.start();
  await clock.advance(3_600_000);
  expect(lost).toEqual([120_000]);
  expect([pings(), clock.pending]).toEqual([3, 0]);
});

test("one that is slow, as under emulation on a busy host, is not", async () => {
  const { clock, heartbeat, lost } = beating(() => 85_000);
  heartbeat.start();
  await clock.advance(3_600_000);
  expect(lost).toEqual([]);
});

test("whatever it says counts, also when answers wait behind it", async () => {
  const { clock, heartbeat, lost } = beating(() => undefined);
  heartbeat.start();
  for (let minute = 0; minute < 60; minute++) {
    await clock.advance(60_000);
    heartbeat.heard();
  }
  expect(lost).toEqual([]);
});

test("questions that fail are no signs of life, and are asked again", async () => {
  const { clock, heartbeat, lost, pings } = beating(() => "fails");
  heartbeat.start();
  await clock.advance(3_600_000);
  expect(lost).toEqual([120_000]);
  expect(pings()).toBe(4);
});

test("a night that the host sleeps through is no silence", async () => {
  const { clock, heartbeat, lost } = beating(() => 20_000);
  heartbeat.start();
  for (let night = 0; night < 10; night++) {
    await clock.advance(50_000);
    clock.sleep(8 * 3_600_000);
  }
  expect(lost).toEqual([]);
});

test("a paused VM's answers do not count, nor its silence", async () => {
  const { clock, heartbeat, lost } = beating(() => undefined);
  heartbeat.start();
  for (let pause = 0; pause < 10; pause++) {
    await clock.advance(80_000);
    heartbeat.stop();
    await clock.advance(3_600_000);
    heartbeat.start();
  }
  expect(lost).toEqual([]);
  await clock.advance(120_000);
  expect(lost).toEqual([120_000]);
});

test("whatever the delays: lost only after three beats of silence, and always after four", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.nat(200_000), fc.constant("fails" as const)), { minLength: 1, maxLength: 8 }),
      fc.array(fc.record({ awake: fc.nat(100_000), asleep: fc.nat(100_000) }), { maxLength: 20 }),
      async (delays, days) => {
        const { clock, heartbeat, lost } = beating((ping) => delays[ping % delays.length]);
        heartbeat.start();
        for (const { awake, asleep } of days) {
          await clock.advance(awake);
          clock.sleep(asleep);
        }
        await settle();
        expect(lost.length).toBeLessThanOrEqual(1);
        for (const silentMs of lost) expect(silentMs).toBeGreaterThanOrEqual(90_000);
        if (delays.every((delay) => delay !== "fails" && delay < 60_000)) expect(lost).toEqual([]);
        if (lost.length === 0 && delays.every((delay) => delay === "fails")) {
          await clock.advance(150_000);
          expect(lost).toHaveLength(1);
        }
        heartbeat.stop();
      },
    ),
    { numRuns: 300 },
  );
});
