import { expect, test } from "bun:test";
import type { MachineInfo, MachineState } from "../../machine/index.ts";
import { defaultSpec, newRecord, newState } from "../../machine/model/index.ts";
import { formatStatus } from "./status.ts";

const record = newRecord(defaultSpec("web"), 0);
const state: MachineState = {
  ...newState({ pid: 7, engine: "qemu", program: "0.1.0", startedAt: 0 }),
  phase: "running",
  vmmPid: 8,
  readyAt: 1,
};

const textOf = (info: Partial<MachineInfo>, changes: Partial<MachineState> = {}): string =>
  formatStatus({
    ...{ name: "web", status: "running", reason: "", record, memoryBytes: undefined },
    state: { ...state, ...changes },
    ...info,
  });

test("the first line is what scripts look for", () => {
  expect(textOf({})).toBe("Machine 'web': running (PID: 7)\n");
  expect(textOf({ status: "stopped" })).toBe("Machine 'web': stopped\n");
  expect(textOf({ status: "created", state: undefined })).toBe("Machine 'web': created (not running)\n");
  expect(textOf({ status: "unreachable", reason: "silence\u001b" })).toBe(
    "Machine 'web': unreachable (PID: 7)\n  silence\n",
  );
});

test("how the workload is, or ended", () => {
  const line = (end: Partial<NonNullable<MachineState["workload"]>["end"]> | null) => {
    const whole = end && { exitCode: null, signal: null, outOfMemory: false, at: 1, ...end };
    return textOf({}, { workload: { argv: ["sh", "-c", "a\nb"], startedAt: 0, end: whole } }).split("\n")[1];
  };
  expect(line(null)).toBe("  workload: running: sh -c a b");
  expect(line({ exitCode: 3 })).toBe("  workload: ended with exit code 3: sh -c a b");
  expect(line({ signal: 9, outOfMemory: true })).toBe(
    "  workload: ended by signal 9, memory had run out: sh -c a b",
  );
  expect(line({})).toBe("  workload: ended with its machine: sh -c a b");
  // Its process was killed before it could say so.
  const workload = { argv: ["sh"], startedAt: 0, end: null };
  expect(textOf({ status: "stopped" }, { workload })).toContain("  workload: ended with its machine: sh");
});

test("health, restarts, and when it ends by itself", () => {
  const health = { status: "unhealthy", failures: 3, output: "no\nanswer\n", at: 0 } as const;
  const whole = textOf(
    { record: { ...record, onTimeout: "delete" } },
    { health, restarts: 2, ttlAt: 1_700_000_000_000, idleAt: 1_700_000_000_000 },
  );
  expect(whole).toBe(
    [
      "Machine 'web': running (PID: 7)",
      "  health: unhealthy, 3 failures in a row: no answer",
      "  restarts: 2",
      "  ttl: deleted at 2023-11-14T22:13:20.000Z",
      "  idle timeout: deleted at 2023-11-14T22:13:20.000Z unless it is used",
      "",
    ].join("\n"),
  );
  expect(textOf({}, { health: { ...health, failures: 0, status: "healthy" } })).toContain(
    "health: healthy\n",
  );
  expect(textOf({ status: "stopped" }, { ttlAt: 1, health })).toBe("Machine 'web': stopped\n");
});

test("what to do about one that a later program made", () => {
  const text = textOf({ status: "unknown", reason: "made by a later smolvm", record: undefined });
  expect(text).toContain("  smolvm machine delete --name web removes it\n");
});
