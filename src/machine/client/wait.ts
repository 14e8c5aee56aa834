import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import type { WorkloadEnd } from "../model/index.ts";
import { isRunning, readState } from "../store/index.ts";
import { connectMachine, type Machine } from "./connect.ts";
import { inspectMachine } from "./info.ts";
import { observeMachine } from "./observe.ts";

/**
 * Waits until a machine's workload has ended and is not about to be started again, or until the machine has.
 *
 * @returns how the workload ended; undefined for a machine that has none and was stopped
 * @throws SmolError `machine.not_found`; `machine.lost` when nobody has seen how it ended; the signal's reason
 */
export async function waitForMachine(
  context: Context,
  name: string,
  signal?: AbortSignal,
): Promise<WorkloadEnd | undefined> {
  inspectMachine(context, name, "outline");
  for (;;) {
    signal?.throwIfAborted();
    if (!isRunning(context.paths, name)) return endOf(context, name);
    const machine = await tryToConnect(context, name);
    if (machine === undefined) return endOf(context, name);
    try {
      await untilItGaveUp(context, machine, signal);
    } finally {
      machine.close();
    }
    const end = endOf(context, name);
    if (end !== undefined) return end;
  }
}

function endOf({ paths }: Context, name: string): WorkloadEnd | undefined {
  const running = isRunning(paths, name);
  const workload = readState(paths, name)?.workload;
  if (!workload || (workload.end === null && running)) return undefined;
  const { end } = workload;
  if (end !== null && (end.exitCode !== null || end.signal !== null)) return end;
  throw new SmolError("machine.lost", `the workload of machine '${name}' ended with its machine`);
}

async function tryToConnect(context: Context, name: string): Promise<Machine | undefined> {
  try {
    return await connectMachine(context, name);
  } catch (error) {
    if (error instanceof SmolError && error.code === "machine.not_running") return undefined;
    throw error;
  }
}

/** Listens before it looks: an end in between is not missed. */
async function untilItGaveUp(context: Context, machine: Machine, signal?: AbortSignal): Promise<void> {
  const { events, started } = observeMachine(machine, {}, signal);
  await started;
  const state = readState(context.paths, machine.name);
  if (state?.workload?.end && state.restartAt === null) return;
  for await (const event of events) if (event.type === "gave_up") return;
  signal?.throwIfAborted();
}
