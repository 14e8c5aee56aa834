import { expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock } from "./clock.fixture.ts";
import { Lifetime } from "./lifetime.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function living(ttlMs: number | null, idleTimeoutMs: number | null) {
  const clock = new ManualClock();
  const ended: string[] = [];
  const lifetime = new Lifetime({
    ttlMs,
    idleTimeoutMs,
    clock,
    onEnd: (why) => ended.push(`${why} at ${clock.elapsed()}`),
  });
  return { clock, lifetime, ended };
}

test("a machine without limits has no end and no timer", async () => {
  const { clock, lifetime, ended } = living(null, null);
  lifetime.start();
  lifetime.begin()();
  expect([lifetime.ttlAt, lifetime.idleAt, clock.pending]).toEqual([null, null, 0]);
  await clock.advance(HOUR);
  expect(ended).toEqual([]);
});

test("a time to live ends at its time, whatever runs; starting twice does not prolong it", async () => {
  const { clock, lifetime, ended } = living(60_000, 1000);
  lifetime.start();
  const ttlAt = clock.date() + 60_000;
  expect(lifetime.ttlAt).toBe(ttlAt);
  lifetime.begin();
  await clock.advance(30_000);
  lifetime.start();
  expect(lifetime.ttlAt).toBe(ttlAt);
  await clock.advance(30_000);
  expect(ended).toEqual(["ttl at 60000"]);
  expect([lifetime.ttlAt, clock.pending]).toEqual([null, 0]);
});

test("idleness begins anew with bytes, and does not begin while a command runs", async () => {
  const { clock, lifetime, ended } = living(null, 10_000);
  lifetime.start();
  await clock.advance(9000);
  lifetime.touch();
  expect(lifetime.idleAt).toBe(clock.date() + 10_000);
  await clock.advance(9000);
  const [first, second] = [lifetime.begin(), lifetime.begin()];
  expect(lifetime.idleAt).toBeNull();
  await clock.advance(HOUR);
  first();
  first();
  await clock.advance(HOUR);
  expect(ended).toEqual([]);
  second();
  expect(lifetime.idleAt).toBe(clock.date() + 10_000);
  await clock.advance(10_000);
  expect(ended).toEqual([`idle at ${18_000 + 2 * HOUR + 10_000}`]);
});

test("what the host sleeps counts, for both", async () => {
  for (const [ttlMs, idleTimeoutMs, why] of [
    [HOUR, null, "ttl"],
    [null, HOUR, "idle"],
  ] as const) {
    const { clock, lifetime, ended } = living(ttlMs, idleTimeoutMs);
    lifetime.start();
    clock.sleep(8 * HOUR);
    await clock.advance(60_000);
    expect(ended).toEqual([`${why} at ${8 * HOUR + 60_000}`]);
  }
});

test("setting the host's clock ends nothing; what is shown follows it", async () => {
  const { clock, lifetime, ended } = living(HOUR, null);
  lifetime.start();
  clock.setDate(1000);
  await clock.advance(HOUR / 2);
  expect(lifetime.ttlAt).toBe(1000 + HOUR);
  clock.setDate(clock.date() + 10 * DAY);
  await clock.advance(HOUR / 4);
  expect(ended).toEqual([]);
});

test("months are no shorter than days: timers do not overflow", async () => {
  const { clock, lifetime, ended } = living(60 * DAY, 30 * DAY);
  lifetime.start();
  await clock.advance(10 * 60_000);
  expect(ended).toEqual([]);
  expect(Math.max(...clock.waits)).toBeLessThan(2 ** 31);
  clock.sleep(30 * DAY);
  await clock.advance(60_000);
  expect(ended).toHaveLength(1);
});

test("after a stop nothing is told", async () => {
  const { clock, lifetime, ended } = living(1000, 1000);
  lifetime.start();
  const end = lifetime.begin();
  lifetime.stop();
  end();
  lifetime.touch();
  lifetime.start();
  await clock.advance(HOUR);
  expect([ended, clock.pending, lifetime.ttlAt, lifetime.idleAt]).toEqual([[], 0, null, null]);
});

type Event =
  | { readonly kind: "advance" | "sleep"; readonly ms: number }
  | { readonly kind: "begin" | "end" | "touch" };

test("whatever happens: it ends once, not before its time, and within a minute of it", async () => {
  const anyEvent: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ kind: fc.constantFrom("advance" as const, "sleep" as const), ms: fc.nat(200_000) }),
    fc.record({ kind: fc.constantFrom("begin" as const, "end" as const, "touch" as const) }),
  );
  const limit = fc.option(fc.integer({ min: 1, max: 400_000 }));
  await fc.assert(
    fc.asyncProperty(limit, limit, fc.array(anyEvent, { maxLength: 30 }), async (ttlMs, idleMs, events) => {
      const { clock, lifetime, ended } = living(ttlMs, idleMs);
      const running: (() => void)[] = [];
      // What would have to happen, computed from nothing but the events.
      let activeAt = 0;
      const due = () =>
        Math.min(
          ttlMs ?? Number.POSITIVE_INFINITY,
          running.length > 0 || idleMs === null ? Number.POSITIVE_INFINITY : activeAt + idleMs,
        );
      lifetime.start();
      for (const event of events) {
        const before = due();
        if (event.kind === "sleep") clock.sleep(event.ms);
        if (event.kind === "advance") await clock.advance(event.ms);
        const now = clock.elapsed();
        if (ended.length > 0) {
          expect(Number(ended[0]?.split(" ").at(-1))).toBeGreaterThanOrEqual(before);
          break;
        }
        if (event.kind === "advance" && event.ms >= 60_000) expect(now).toBeLessThan(before + event.ms);
        if (event.kind === "begin") running.push(lifetime.begin());
        if (event.kind === "end") running.pop()?.();
        if (event.kind === "touch") lifetime.touch();
        if (event.kind === "touch" || event.kind === "begin" || event.kind === "end") activeAt = now;
        if (event.kind === "end" && running.length === 0) lifetime.touch();
        expect(clock.pending).toBeLessThanOrEqual(2);
      }
      for (const end of running) end();
      await clock.advance(1_000_000);
      expect(ended).toHaveLength(ttlMs === null && idleMs === null ? 0 : 1);
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 300 },
  );
});
