import type { Supervision } from "../machine/index.ts";
import { defaultHealth, type HealthSpec, type RestartSpec } from "../machine/model/index.ts";
import { openMachines } from "./machines.ts";
import { print } from "./output.ts";
import { describeEvent } from "./show/events.ts";
import { silent, startShown } from "./start-shown.ts";
import { Interrupted, Interrupts } from "./terminal/index.ts";
import type { Restart } from "./values/restart.ts";

export interface MonitorValues {
  readonly restart: Restart | undefined;
  /** Null: none. */
  readonly healthCommand: string | null | undefined;
  readonly healthTimeout: number | undefined;
  readonly healthRetries: number | undefined;
  readonly interval: number | undefined;
}

/** `machine monitor`: shows what happens to a machine until an interrupt. Resolves to the exit code. */
export async function monitorMachine(name: string, values: MonitorValues): Promise<number> {
  const { machines, context } = await openMachines();
  const { record } = machines.inspectMachine(context, name);
  const health = healthOf(record?.health ?? null, values);
  const restart = restartOf(record?.restart, values);
  const seconds = (values.interval ?? health?.intervalMs ?? defaultHealth.intervalMs) / 1000;
  await print(
    `Monitoring machine '${name}' (policy: ${restart?.policy ?? "never"}, interval: ${seconds}s)\n`,
  );
  const supervision: Supervision = {
    health: isSaid(values) ? health : undefined,
    restart: values.restart === undefined ? undefined : restart,
  };
  const interrupts = new Interrupts();
  try {
    const watching = watch(interrupts.signal);
    watching.catch(() => {});
    return await Promise.race([watching, interrupts.expired]);
  } catch (error) {
    // The machine goes on: to stop watching is no failure.
    if (error instanceof Interrupted) return 0;
    throw error;
  } finally {
    interrupts.release();
  }

  async function watch(signal: AbortSignal): Promise<number> {
    for (;;) {
      const { started } = await startShown(context, name, silent);
      if (started) await print(`Started machine: ${name}\n`);
      const machine = await machines.connectMachine(context, name);
      try {
        const { events, started: listening } = await machines.observeMachine(machine, supervision, signal);
        await listening;
        for await (const event of events) await print(`${describeEvent(event)}\n`);
      } finally {
        machine.close();
      }
      signal.throwIfAborted();
      const { status, reason, state } = machines.inspectMachine(context, name);
      await print(`Machine '${name}' ${status}${reason === "" ? "" : `: ${reason}`}\n`);
      // What its own process could not do, because it was killed, is done here.
      const wasKilled = status === "stopped" && state?.phase !== "stopped";
      if (!wasKilled || (restart?.policy ?? "never") === "never") return status === "failed" ? 1 : 0;
    }
  }
}

const isSaid = ({ healthCommand, healthTimeout, healthRetries, interval }: MonitorValues): boolean =>
  [healthCommand, healthTimeout, healthRetries, interval].some((value) => value !== undefined);

function healthOf(known: HealthSpec | null, values: MonitorValues): HealthSpec | null {
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

function restartOf(known: RestartSpec | undefined, { restart }: MonitorValues): RestartSpec | undefined {
  if (restart === undefined) return known;
  return {
    policy: restart.policy,
    maxRetries: restart.maxRetries ?? 0,
    maxBackoffMs: known?.maxBackoffMs ?? 300_000,
  };
}
