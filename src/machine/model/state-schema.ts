/**
 * `state.json`: what a machine's process tells about itself, for those who only look. Written by that process alone;
 * whether it still runs is told by the machine's lock, never by this file.
 */
import {
  array,
  boolean,
  type InferOutput,
  literal,
  looseObject,
  nullable,
  number,
  object,
  optional,
  picklist,
  safeParse,
  string,
} from "valibot";
import { confineModes, layerNames, processNames } from "../../confine/types.ts";
import { engineNames } from "../../engine/types.ts";
import { portsSchema } from "./network-schema.ts";
import { endSchema, milliseconds } from "./parts-schema.ts";

export const workloadSchema = object({
  argv: array(string()),
  startedAt: milliseconds,
  /** Null: it runs. */
  end: nullable(endSchema),
});

export const healthStateSchema = object({
  status: picklist(["starting", "healthy", "unhealthy"]),
  failures: number(),
  /** The end of what the last check printed. */
  output: string(),
  at: milliseconds,
});

export const confinementSchema = object({
  mode: picklist(confineModes),
  layers: array(object({ name: picklist(layerNames), inForce: boolean(), detail: string() })),
  /** Absent: an older version runs it. */
  processes: optional(array(object({ name: picklist(processNames), inForce: boolean(), detail: string() }))),
});

export const phases = ["starting", "running", "stopping", "stopped", "failed"] as const;

export const stateSchema = looseObject({
  version: literal(1),
  phase: picklist(phases),
  /** Why it failed or was stopped, for people; empty when there is nothing to say. */
  reason: string(),
  /** Of the machine's process and of the VMM; of the last ones when it does not run. */
  pid: number(),
  vmmPid: nullable(number()),
  engine: picklist(engineNames),
  /** Version of the program that runs it. */
  program: string(),
  startedAt: milliseconds,
  /** When its workload could run; null before. */
  readyAt: nullable(milliseconds),
  endedAt: nullable(milliseconds),
  /** Null: it has none, and only waits for commands. */
  workload: nullable(workloadSchema),
  /** Starts since somebody started it, beyond the first. */
  restarts: number(),
  /** When it, or its workload, is started again by its policy; null: no restart is due. */
  restartAt: optional(nullable(milliseconds), null),
  health: nullable(healthStateSchema),
  /** Somebody has stopped it: a policy may keep it from starting with its host. */
  stoppedByUser: optional(boolean(), false),
  /** When it ends by itself: for `ttl`, and for idleness as things stand. */
  /** Ports of the host that lead into it now; undefined: it has told nothing about them. */
  ports: optional(portsSchema),
  /** How the VM's process is confined; undefined: told by none, as by an older version. */
  confinement: optional(confinementSchema),
  ttlAt: nullable(milliseconds),
  idleAt: nullable(milliseconds),
});

export type MachineState = Readonly<InferOutput<typeof stateSchema>>;
export type WorkloadState = Readonly<InferOutput<typeof workloadSchema>>;
export type WorkloadEnd = Readonly<InferOutput<typeof endSchema>>;
export type HealthState = Readonly<InferOutput<typeof healthStateSchema>>;

/** @param value parsed JSON */
export function parseWholeState(value: unknown): MachineState | undefined {
  const parsed = safeParse(stateSchema, value);
  return parsed.success ? parsed.output : undefined;
}
