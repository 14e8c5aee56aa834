import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { HealthSpec, HealthState } from "../../model/index.ts";
import { ManualClock, settle } from "./clock.fixture.ts";
import { type CheckResult, HealthMonitor } from "./health.ts";

const good: CheckResult = { ok: true, output: "fine" };
const bad: CheckResult = { ok: false, output: "connection refused" };

/** A monitor whose checks end when the test says so: with what `answer` gives, at once, or later by `end`. */
function monitored(
  changes: Partial<HealthSpec>,
  answer: (number: number) => CheckResult | Error | undefined = () => undefined,
) {
  const clock = new ManualClock();
  const spec: HealthSpec = {
    command: ["true"],
    intervalMs: 5000,
    timeoutMs: 5000,
    retries: 3,
    startupGraceMs: 0,
    ...changes,
  };
  const told: string[] = [];
  const running = new Set<(result: CheckResult) => void>();
  let [checks, killed, most] = [0, 0, 0];
  const monitor = new HealthMonitor({
    spec,
    clock,
    check: async (signal) => {
      const answered = answer(++checks);
      if (answered instanceof Error) throw answered;
      if (answered !== undefined) return answered;
      signal.addEventListener("abort", () => killed++);
      const { promise, resolve } = Promise.withResolvers<CheckResult>();
      running.add(resolve);
      most = Math.max(most, running.size);
      return promise;
    },
    onCheck: ({ status, failures }, changed) =>
      told.push(`${clock.elapsed()} ${status} ${failures}${changed ? "" : " (same)"}`),
  });
  const end = async (result: CheckResult) => {
    for (const resolve of running) resolve(result);
    running.clear();
    await settle();
  };
  return { clock, monitor, told, end, counts: () => ({ checks, killed, running: running.size, most }) };
}

test("a workload becomes healthy, unhealthy after so many failures in a row, and healthy again", async () => {
  const answers = [good, bad, bad, good, bad, bad, bad, bad, good];
  const { clock, monitor, told } = monitored({}, (number) => answers[number - 1]);
  expect(monitor.state.status).toBe("starting");
  monitor.start();
  await clock.advance(45_000);
  expect(told).toEqual([
    "5000 healthy 0",
    "10000 healthy 1",
    "15000 healthy 2",
    "20000 healthy 0",
    "25000 healthy 1",
    "30000 healthy 2",
    "35000 unhealthy 3",
    "40000 unhealthy 4 (same)",
    "45000 healthy 0",
  ]);
  expect(monitor.state).toEqual({ status: "healthy", failures: 0, output: "fine", at: clock.date() });
  monitor.stop();
  expect(clock.pending).toBe(0);
});

test("a command that cannot be run is a failure, and says why", async () => {
  const { clock, monitor } = monitored({ retries: 1 }, () => new Error("no such file"));
  monitor.start();
  await clock.advance(5000);
  expect(monitor.state).toMatchObject({ status: "unhealthy", output: "no such file" });
});

test("failures in the time after the start do not count, unless it has been healthy", async () => {
  const { clock, monitor, told } = monitored({ startupGraceMs: 20_000 }, () => bad);
  monitor.start();
  await clock.advance(30_000);
  expect(told).toEqual([
    "5000 starting 0 (same)",
    "10000 starting 0 (same)",
    "15000 starting 0 (same)",
    "20000 starting 1",
    "25000 starting 2",
    "30000 unhealthy 3",
  ]);
  const early = monitored({ startupGraceMs: 60_000 }, (number) => (number === 1 ? good : bad));
  early.monitor.start();
  await early.clock.advance(10_000);
  expect(early.told).toEqual(["5000 healthy 0", "10000 healthy 1"]);
});

describe("a check that takes too long", () => {
  test("is ended, is a failure, and the next one waits until it has ended", async () => {
    const { clock, monitor, told, end, counts } = monitored({ timeoutMs: 2000 });
    monitor.start();
    await clock.advance(7000);
    expect(told).toEqual(["7000 starting 1"]);
    expect(monitor.state.output).toBe("the check did not end within 2 s");
    expect(counts()).toMatchObject({ checks: 1, killed: 1 });
    await end(good);
    expect(monitor.state.failures).toBe(1);
    await clock.advance(4999);
    expect(counts().checks).toBe(1);
    await clock.advance(1);
    expect(counts().checks).toBe(2);
  });

  test("and never ends, makes the workload unhealthy all the same, and no second one is started", async () => {
    const { clock, monitor, told, counts } = monitored({ timeoutMs: 2000 });
    monitor.start();
    await clock.advance(60_000);
    expect(told.slice(0, 3)).toEqual(["7000 starting 1", "12000 starting 2", "17000 unhealthy 3"]);
    expect(counts()).toEqual({ checks: 1, killed: 1, running: 1, most: 1 });
  });
});

describe("when the host has slept", () => {
  test("between two checks, earlier failures are forgiven", async () => {
    const { clock, monitor, told } = monitored({}, () => bad);
    monitor.start();
    await clock.advance(10_000);
    clock.sleep(10_001);
    await clock.advance(5000);
    expect(told).toEqual(["5000 starting 1", "10000 starting 2", "25001 starting 0", "25001 starting 1"]);
  });

  test("during a check, its failure does not count, nor that it took so long", async () => {
    const { clock, monitor, end } = monitored({});
    monitor.start();
    await clock.advance(5000);
    clock.sleep(3_600_000);
    await end(bad);
    expect(monitor.state.failures).toBe(0);
    await clock.advance(5000);
    clock.sleep(3_600_000);
    await clock.advance(5000);
    expect(monitor.state.failures).toBe(0);
  });

  test("for less than a busy host delays things, nothing is forgiven", async () => {
    const { clock, monitor } = monitored({ intervalMs: 100 }, () => bad);
    monitor.start();
    await clock.advance(100);
    clock.sleep(4000);
    await clock.advance(100);
    expect(monitor.state.failures).toBe(2);
  });
});

test("stopping ends the check that runs, and what it finds does not count", async () => {
  const { clock, monitor, told, end, counts } = monitored({ retries: 1 });
  monitor.start();
  await clock.advance(5000);
  monitor.stop();
  expect(counts().killed).toBe(1);
  await end(bad);
  await clock.advance(60_000);
  expect(told).toEqual([]);
  expect(counts().checks).toBe(1);
  monitor.start();
  expect(monitor.state).toMatchObject({ status: "starting", failures: 0 });
  await clock.advance(5000);
  await end(bad);
  expect(told).toEqual(["70000 unhealthy 1"]);
});

test("whoever is told may stop it, or start it anew", async () => {
  const clock = new ManualClock();
  let [checks, starts] = [0, 0];
  const monitor = new HealthMonitor({
    spec: { command: [], intervalMs: 1000, timeoutMs: 1000, retries: 2, startupGraceMs: 0 },
    clock,
    check: async () => {
      checks++;
      return bad;
    },
    onCheck: ({ status }) => {
      if (status !== "unhealthy") return;
      if (++starts < 3) monitor.start();
      else monitor.stop();
    },
  });
  monitor.start();
  await clock.advance(20_000);
  expect({ checks, starts, pending: clock.pending }).toEqual({ checks: 6, starts: 3, pending: 0 });
});

test("of the output the end is kept, whole characters of it", async () => {
  const output = `${"x".repeat(5000)}😀${"y".repeat(1023)}`;
  const { clock, monitor } = monitored({}, () => ({ ok: false, output }));
  monitor.start();
  await clock.advance(5000);
  expect(monitor.state.output).toBe("y".repeat(1023));
});

type Event =
  | { readonly kind: "advance" | "sleep"; readonly ms: number }
  | { readonly kind: "end" | "start" | "stop" };

test("whatever happens: one check at a time, and the state is what the last checks say", async () => {
  const anyEvent: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ kind: fc.constantFrom("advance" as const, "sleep" as const), ms: fc.nat(30_000) }),
    fc.record({ kind: fc.constantFrom("end" as const, "start" as const, "stop" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        intervalMs: fc.integer({ min: 100, max: 20_000 }),
        timeoutMs: fc.integer({ min: 100, max: 20_000 }),
        retries: fc.integer({ min: 1, max: 4 }),
        startupGraceMs: fc.nat(30_000),
      }),
      fc.array(fc.oneof(fc.constant(undefined), fc.constant(good), fc.constant(bad)), { minLength: 1 }),
      fc.array(anyEvent, { maxLength: 30 }),
      async (spec, answers, events) => {
        const { clock, monitor, end, counts } = monitored(spec, (number) => answers[number % answers.length]);
        const states: HealthState[] = [];
        for (const event of events) {
          if (event.kind === "advance") await clock.advance(event.ms);
          else if (event.kind === "sleep") clock.sleep(event.ms);
          else if (event.kind === "end") await end(bad);
          else if (event.kind === "start") monitor.start();
          else {
            monitor.stop();
            await settle();
            expect(clock.pending).toBe(0);
          }
          states.push(monitor.state);
          expect(clock.pending).toBeLessThanOrEqual(1);
        }
        for (const { status, failures } of states) {
          expect(failures).toBeGreaterThanOrEqual(0);
          if (failures >= spec.retries) expect(status).toBe("unhealthy");
        }
        // A check that was killed by a stop may still be ending while the next start has its own.
        const starts = events.filter(({ kind }) => kind === "start").length;
        expect(counts().most).toBeLessThanOrEqual(Math.max(1, starts));
        monitor.stop();
        await settle();
        expect(clock.pending).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});
