/** `state.json`, read; state-schema.ts says what it is. */
import type { MachineState } from "./state-schema.ts";

export type { HealthState, MachineState, WorkloadEnd, WorkloadState } from "./state-schema.ts";

/** What a machine's process begins with. */
export function newState(
  about: Pick<MachineState, "pid" | "engine" | "program" | "startedAt" | "confinement">,
): MachineState {
  return {
    version: 1,
    phase: "starting",
    reason: "",
    ...about,
    vmmPid: null,
    readyAt: null,
    endedAt: null,
    workload: null,
    restarts: 0,
    restartAt: null,
    health: null,
    stoppedByUser: false,
    ttlAt: null,
    idleAt: null,
  };
}

/**
 * Undefined when it is damaged, or of another version: then only the lock tells something.
 *
 * @param depth `outline`: checked as far as it takes to list the machine, as in `parseRecord`
 */
export function parseState(text: string, depth: "whole" | "outline" = "whole"): MachineState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (depth === "outline" && hasOutline(value)) return value;
  const { parseWholeState } = require("./state-schema.ts") as typeof import("./state-schema.ts");
  return parseWholeState(value);
}

function hasOutline(value: unknown): value is MachineState {
  if (typeof value !== "object" || value === null) return false;
  const { version, phase, reason, pid, engine, startedAt, restarts, workload, health } =
    value as Partial<MachineState>;
  return (
    version === 1 &&
    [phase, reason, engine].every((text) => typeof text === "string") &&
    [pid, startedAt, restarts].every((number) => typeof number === "number") &&
    [workload, health].every((table) => typeof table === "object")
  );
}
