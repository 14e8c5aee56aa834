import { expect, test } from "bun:test";
import type { MachineEvent } from "../../machine/index.ts";
import { describeEvent } from "./events.ts";

const health = (failures: number, output: string): MachineEvent => ({
  ...{ type: "health", status: failures === 0 ? "healthy" : "unhealthy", failures, output },
});

test.each<[MachineEvent, string]>([
  [health(0, "fine\n"), "Health check passed (healthy)"],
  [health(2, "no\u001b[2J\nanswer\n"), "Health check failed (2 in a row, unhealthy): no [2J answer"],
  [health(1, " "), "Health check failed (1 in a row, unhealthy)"],
  [{ type: "ended", reason: "it\nended" }, "Ended: it ended"],
  [{ type: "restarting", what: "workload", afterMs: 1500 }, "Restarting the workload in 1.5 s"],
  [{ type: "gave_up", reason: "the policy is never" }, "Not restarted: the policy is never"],
  [{ type: "started", what: "machine" }, "Started the machine"],
])("%j: %s", (event, line) => {
  expect(describeEvent(event)).toBe(line);
});
