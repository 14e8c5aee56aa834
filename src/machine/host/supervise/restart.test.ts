import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RestartPolicy, RestartSpec } from "../../model/index.ts";
import { restartPolicies } from "../../model/spec.ts";
import { decideRestart, describeEnding, type Ending, startsWithHost, WELL_MS } from "./restart.ts";

const spec = (policy: RestartPolicy, changes: Partial<RestartSpec> = {}): RestartSpec => ({
  policy,
  maxRetries: 0,
  maxBackoffMs: 300_000,
  ...changes,
});
const exit = (exitCode: number): Ending => ({
  kind: "workload",
  end: { exitCode, signal: null, outOfMemory: false },
});
const killed: Ending = { kind: "workload", end: { exitCode: null, signal: 9, outOfMemory: true } };
const lost: Ending = { kind: "machine", reason: "the VM ended" };
const unhealthy: Ending = { kind: "unhealthy" };
const poweroff: Ending = { kind: "halted", how: "poweroff" };
const reboot: Ending = { kind: "halted", how: "restart" };
const stopped: Ending = { kind: "stopped" };
const endings = { success: exit(0), failure: exit(3), killed, lost, unhealthy, poweroff, reboot, stopped };

test("what each policy does about each ending", () => {
  const short = (policy: RestartPolicy, ending: Ending) => {
    const decision = decideRestart(spec(policy), { inRow: 0, wellMs: 0 }, ending);
    return decision.kind === "restart" ? decision.what : "-";
  };
  const rows = Object.entries(endings).map(
    ([name, ending]) =>
      `${name}: ${restartPolicies.map((policy) => `${policy} ${short(policy, ending)}`).join(", ")}`,
  );
  expect(rows.join("\n")).toMatchInlineSnapshot(`
    "success: never -, always workload, on-failure -, unless-stopped workload
    failure: never -, always workload, on-failure workload, unless-stopped workload
    killed: never -, always workload, on-failure workload, unless-stopped workload
    lost: never -, always machine, on-failure machine, unless-stopped machine
    unhealthy: never -, always machine, on-failure machine, unless-stopped machine
    poweroff: never -, always machine, on-failure -, unless-stopped machine
    reboot: never machine, always machine, on-failure machine, unless-stopped machine
    stopped: never -, always -, on-failure -, unless-stopped -"
  `);
});

describe("back-off", () => {
  const pauses = (maxBackoffMs: number, count: number) => {
    const list: number[] = [];
    let inRow = 0;
    while (list.length < count) {
      const decision = decideRestart(spec("always", { maxBackoffMs }), { inRow, wellMs: 0 }, exit(1));
      if (decision.kind !== "restart") break;
      list.push(decision.afterMs);
      inRow = decision.inRow;
    }
    return list;
  };

  test("doubles from one second to its limit", () => {
    expect(pauses(300_000, 11)).toEqual([
      1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
    ]);
    expect(pauses(1000, 3)).toEqual([1000, 1000, 1000]);
  });

  test("stays a number after thousands of restarts", () => {
    expect(pauses(Number.MAX_SAFE_INTEGER, 3000).at(-1)).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("begins anew, as do the retries, after ten seconds in which it ran well", () => {
    const limited = spec("always", { maxRetries: 5 });
    const after = (wellMs: number) => decideRestart(limited, { inRow: 5, wellMs }, exit(1));
    expect(after(WELL_MS - 1).kind).toBe("give_up");
    expect(after(WELL_MS)).toEqual({ kind: "restart", what: "workload", afterMs: 1000, inRow: 1 });
  });
});

test("why nothing is started is said", () => {
  const reason = (policy: RestartPolicy, ending: Ending, changes: Partial<RestartSpec> = {}, inRow = 0) => {
    const decision = decideRestart(spec(policy, changes), { inRow, wellMs: 0 }, ending);
    return decision.kind === "give_up" ? decision.reason : decision;
  };
  expect([
    reason("never", exit(0)),
    reason("never", killed),
    reason("on-failure", exit(0)),
    reason("on-failure", poweroff),
    reason("always", stopped),
    reason("always", lost, { maxRetries: 1 }, 1),
    reason("never", reboot, { maxRetries: 3 }, 3),
    reason("always", unhealthy, { maxRetries: 3 }, 4),
  ]).toMatchInlineSnapshot(`
    [
      "the workload ended with exit code 0; the restart policy is never",
      "the workload ended by signal 9, and memory had run out; the restart policy is never",
      "the workload ended with exit code 0, which is no failure (restart policy on-failure)",
      "the guest was told to power off, which is no failure (restart policy on-failure)",
      "stopped by the user",
      "the VM ended; one restart did not help",
      "the guest was told to reboot; 3 restarts in a row did not help",
      "the workload is unhealthy; 3 restarts in a row did not help",
    ]
  `);
  expect(describeEnding(unhealthy)).toBe("the workload is unhealthy");
});

test("only unless-stopped remembers, at the host's start, that somebody stopped the machine", () => {
  const starting = (stoppedByUser: boolean) =>
    restartPolicies.filter((policy) => startsWithHost(policy, stoppedByUser));
  expect(starting(false)).toEqual([...restartPolicies]);
  expect(starting(true)).toEqual(["never", "always", "on-failure"]);
});

const anySpec = fc.record({
  policy: fc.constantFrom(...restartPolicies),
  maxRetries: fc.oneof(fc.constant(0), fc.nat(10), fc.nat()),
  maxBackoffMs: fc.integer({ min: 1000, max: Number.MAX_SAFE_INTEGER }),
});

test("no decision restarts beyond the limit, pauses for no time, or for longer than was allowed", () => {
  fc.assert(
    fc.property(
      anySpec,
      fc.record({ inRow: fc.nat(), wellMs: fc.nat() }),
      fc.constantFrom(...Object.values(endings)),
      (spec, history, ending) => {
        const decision = decideRestart(spec, history, ending);
        if (decision.kind === "give_up") {
          expect(decision.reason).not.toBe("");
          return;
        }
        expect(decision.afterMs).toBeWithin(1000, spec.maxBackoffMs + 1);
        expect(decision.inRow).toBeGreaterThan(0);
        if (spec.maxRetries > 0) expect(decision.inRow).toBeLessThanOrEqual(spec.maxRetries);
        if (spec.policy === "never") expect(ending).toBe(reboot);
        expect(ending).not.toBe(stopped);
      },
    ),
  );
});
