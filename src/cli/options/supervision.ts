import type { MachineRecord, Supervision } from "../../machine/index.ts";
// Not the folder's face, which loads more.
import { defaultHealth } from "../../machine/model/defaults.ts";
import type { HealthSpec, RestartSpec } from "../../machine/model/spec.ts";
import type { Restart } from "../values/restart.ts";

/** What `machine monitor` says about a machine instead of its record. */
export interface SupervisionValues {
  readonly restart: Restart | undefined;
  /** Null: none. */
  readonly healthCommand: string | null | undefined;
  readonly healthTimeout: number | undefined;
  readonly healthRetries: number | undefined;
  readonly interval: number | undefined;
}

/** How a machine is watched over: the options over its record. */
export interface Watch {
  readonly policy: RestartSpec["policy"];
  readonly intervalMs: number;
  /** Only what options say: the rest is the machine's. */
  readonly supervision: Supervision;
}

/** @param record undefined when it cannot be read */
export function watchOf(
  record: Pick<MachineRecord, "health" | "restart"> | undefined,
  values: SupervisionValues,
): Watch {
  const health = healthOf(record?.health ?? null, values);
  const restart = values.restart && {
    policy: values.restart.policy,
    maxRetries: values.restart.maxRetries ?? 0,
    maxBackoffMs: record?.restart.maxBackoffMs ?? MAX_BACKOFF_MS,
  };
  const { restart: _, ...check } = values;
  const saysHealth = Object.values(check).some((value) => value !== undefined);
  return {
    policy: restart?.policy ?? record?.restart.policy ?? "never",
    intervalMs: values.interval ?? health?.intervalMs ?? defaultHealth.intervalMs,
    supervision: { restart, health: saysHealth ? health : undefined },
  };
}

const MAX_BACKOFF_MS = 300_000;

function healthOf(known: HealthSpec | null, values: SupervisionValues): HealthSpec | null {
  const { healthCommand, healthTimeout, healthRetries, interval } = values;
  if (healthCommand === null) return null;
  const command = healthCommand === undefined ? known?.command : ["/bin/sh", "-c", healthCommand];
  if (command === undefined) return null;
  const base = known ?? defaultHealth;
  return {
    command: [...command],
    intervalMs: interval ?? base.intervalMs,
    timeoutMs: healthTimeout ?? base.timeoutMs,
    retries: healthRetries ?? base.retries,
    startupGraceMs: base.startupGraceMs,
  };
}
