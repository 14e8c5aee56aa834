import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RestartSpec } from "../../model/index.ts";
import { restartPolicies } from "../../model/spec.ts";
import { ManualClock } from "./clock.fixture.ts";
import { type Ending, WELL_MS } from "./restart.ts";
import { Restarter } from "./restarter.ts";

const failed: Ending = { kind: "workload", end: { exitCode: 1, signal: null, outOfMemory: false } };
const done: Ending = { kind: "workload", end: { exitCode: 0, signal: null, outOfMemory: false } };
const lost: Ending = { kind: "machine", reason: "the VM ended" };
const unhealthy: Ending = { kind: "unhealthy" };

function supervised(changes: Partial<RestartSpec> & { hasHealth?: boolean } = {}) {
  const { hasHealth = false, ...rest } = changes;
  const clock = new ManualClock();
  const restarted: string[] = [];
  const restarter = new Restarter({
    spec: { policy: "always", maxRetries: 0, maxBackoffMs: 300_000, ...rest },
    clock,
    hasHealth,
    restart: (what) => restarted.push(`${what} at ${clock.elapsed()}`),
  });
  return { clock, restarter, restarted };
}

test("a workload that keeps ending is started again after longer and longer pauses", async () => {
  const { clock, restarter, restarted } = supervised();
  for (let run = 0; run < 4; run++) {
    restarter.started();
    restarter.ended(failed);
    await clock.advance(8000);
  }
  expect(restarted).toEqual([
    "workload at 1000",
    "workload at 10000",
    "workload at 20000",
    "workload at 32000",
  ]);
  expect(restarter.restarts).toBe(4);
});

test("a pending restart says when it is, and none comes once the user has stopped the machine", async () => {
  const { clock, restarter, restarted } = supervised();
  expect(restarter.dueAt).toBeNull();
  restarter.started();
  restarter.ended(failed);
  expect(restarter.dueAt).toBe(clock.date() + 1000);
  expect(restarter.ended({ kind: "stopped" }).kind).toBe("give_up");
  expect(restarter.dueAt).toBeNull();
  expect(restarter.ended(lost).kind).toBe("give_up");
  await clock.advance(1_000_000);
  expect(restarted).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("a machine that is lost while its workload waits to be started is started as a whole, once", async () => {
  const { clock, restarter, restarted } = supervised();
  restarter.started();
  restarter.ended(failed);
  await clock.advance(500);
  expect(restarter.ended(lost)).toMatchObject({ kind: "restart", what: "machine", inRow: 1 });
  restarter.ended(failed);
  await clock.advance(60_000);
  expect(restarted).toEqual(["machine at 1000"]);
});

test("a job that ended well is not run once more because its machine is lost later", () => {
  const { restarter } = supervised({ policy: "on-failure" });
  restarter.started();
  expect(restarter.ended(done).kind).toBe("give_up");
  const later = restarter.ended(lost);
  expect(later.kind === "give_up" && later.reason).toContain("exit code 0");
});

test("an unhealthy workload that may not be restarted runs on, and its later end counts", async () => {
  const { clock, restarter } = supervised({ maxRetries: 1, hasHealth: true });
  restarter.started();
  restarter.ended(unhealthy);
  await clock.advance(1000);
  restarter.started();
  expect(restarter.ended(unhealthy).kind).toBe("give_up");
  restarter.healthy();
  await clock.advance(20_000);
  restarter.healthy();
  expect(restarter.ended(failed)).toMatchObject({ kind: "restart", what: "workload", inRow: 1 });
});

describe("what runs well gets its retries again", () => {
  const rowAfter = async (
    hasHealth: boolean,
    run: (restarter: Restarter, clock: ManualClock) => Promise<Ending>,
  ) => {
    const { clock, restarter } = supervised({ hasHealth });
    restarter.started();
    restarter.ended(failed);
    await clock.advance(1000);
    restarter.started();
    const decision = restarter.ended(await run(restarter, clock));
    return decision.kind === "restart" ? decision.inRow : decision;
  };

  test("after ten seconds, without a health check", async () => {
    const ran = (ms: number) => rowAfter(false, async (_, clock) => clock.advance(ms).then(() => failed));
    expect(await ran(9_999)).toBe(2);
    expect(await ran(10_000)).toBe(1);
  });

  test("not while the agent was silent", async () => {
    const ran = (silentMs: number) =>
      rowAfter(false, async (_, clock) =>
        clock.advance(100_000).then((): Ending => ({ kind: "machine", reason: "silent", silentMs })),
      );
    expect(await ran(95_000)).toBe(2);
    expect(await ran(90_000)).toBe(1);
  });

  test("not while it never was healthy, however long it ran", async () => {
    expect(await rowAfter(true, async (_, clock) => clock.advance(60_000).then(() => unhealthy))).toBe(2);
  });

  test("from its first healthy check to its last", async () => {
    const ran = (ms: number) =>
      rowAfter(true, async (restarter, clock) => {
        restarter.healthy();
        await clock.advance(ms);
        restarter.healthy();
        await clock.advance(15_000);
        return unhealthy;
      });
    expect(await ran(5000)).toBe(2);
    expect(await ran(10_000)).toBe(1);
  });
});

type Event =
  | { readonly kind: "started" }
  | { readonly kind: "healthy" }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "ended"; readonly ending: Ending };

const anyEnding: fc.Arbitrary<Ending> = fc.oneof(
  fc.record({
    kind: fc.constant("workload" as const),
    end: fc.record({
      exitCode: fc.option(fc.nat(255)),
      signal: fc.option(fc.nat(64)),
      outOfMemory: fc.boolean(),
    }),
  }),
  fc.record({
    kind: fc.constant("halted" as const),
    how: fc.constantFrom("poweroff" as const, "restart" as const),
  }),
  fc.record({
    kind: fc.constant("machine" as const),
    reason: fc.constant("lost"),
    silentMs: fc.nat(200_000),
  }),
  fc.constant(unhealthy),
  { weight: 1, arbitrary: fc.constant<Ending>({ kind: "stopped" }) },
);
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.constant<Event>({ kind: "started" }),
  fc.constant<Event>({ kind: "healthy" }),
  fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(200_000) }),
  fc.record({ kind: fc.constant("sleep" as const), ms: fc.nat(200_000) }),
  fc.record({ kind: fc.constant("ended" as const), ending: anyEnding }),
);

test("whatever happens: one restart at a time, none too early or too late, none beyond the limit or after a stop", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        policy: fc.constantFrom(...restartPolicies),
        maxRetries: fc.nat(4),
        maxBackoffMs: fc.integer({ min: 1000, max: 400_000 }),
      }),
      fc.boolean(),
      fc.array(anyEvent, { maxLength: 40 }),
      async (spec, hasHealth, events) => {
        const clock = new ManualClock();
        let due: { from: number; afterMs: number } | undefined;
        let [count, inRow, startedAt, stopped] = [0, 0, 0, false];
        const restarter = new Restarter({
          spec,
          clock,
          hasHealth,
          restart: () => {
            expect(stopped).toBe(false);
            if (due === undefined) throw new Error("a restart that nobody was told of");
            const waited = clock.elapsed() - due.from;
            expect(waited).toBeGreaterThanOrEqual(due.afterMs);
            count++;
            inRow++;
            due = undefined;
            if (spec.maxRetries > 0) expect(inRow).toBeLessThanOrEqual(spec.maxRetries);
          },
        });
        for (const event of events) {
          if (event.kind === "started") {
            restarter.started();
            startedAt = clock.elapsed();
          }
          if (event.kind === "healthy") restarter.healthy();
          if (event.kind === "sleep") clock.sleep(event.ms);
          if (event.kind === "advance") await clock.advance(event.ms);
          if (event.kind === "ended") {
            // What never ran for so long has never run well.
            if (clock.elapsed() - startedAt >= WELL_MS) inRow = 0;
            const decision = restarter.ended(event.ending);
            stopped ||= event.ending.kind === "stopped";
            if (decision.kind === "restart") {
              expect(stopped).toBe(false);
              expect(decision.afterMs).toBeWithin(1000, spec.maxBackoffMs + 1);
              due ??= { from: clock.elapsed(), afterMs: decision.afterMs };
            } else if (stopped) {
              due = undefined;
            }
          }
          expect(restarter.dueAt === null).toBe(due === undefined);
          expect(clock.pending).toBe(due === undefined ? 0 : 1);
          expect(restarter.restarts).toBe(count);
        }
        // A restart that is due comes, within a minute of its time whatever the host's sleep was.
        await clock.advance(spec.maxBackoffMs + 60_000);
        expect(due).toBeUndefined();
      },
    ),
    { numRuns: 300 },
  );
});
