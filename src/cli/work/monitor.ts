import type { Context } from "../../context.ts";
import { Interrupted } from "../interrupted.ts";
import { isThere, type Machines, openMachines } from "../machines.ts";
import { type SupervisionValues, type Watch, watchOf } from "../options/supervision.ts";
import { oneLine } from "../output.ts";
import { describeEvent } from "../show/events.ts";
import { OutputClosed, writeFully } from "../terminal/index.ts";
import { interruptible } from "./interruptible.ts";
import { SILENT, startShown } from "./start.ts";

/** `machine monitor`: shows what happens to a machine until an interrupt. Resolves to the exit code. */
export async function monitorMachine(name: string, values: SupervisionValues): Promise<number> {
  const { machines, context } = await openMachines();
  const watch = watchOf(machines.inspectMachine(context, name).record, values);
  const { policy, intervalMs } = watch;
  try {
    await say(`Monitoring machine '${name}' (policy: ${policy}, interval: ${intervalMs / 1000}s)`);
    return await interruptible((signal) => follow(machines, context, name, watch, signal));
  } catch (error) {
    // The machine goes on: to stop watching is no failure.
    if (error instanceof Interrupted || error instanceof OutputClosed) return 0;
    throw error;
  }
}

async function follow(
  machines: Machines,
  context: Context,
  name: string,
  { policy, supervision }: Watch,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    const { started } = await startShown(context, name, SILENT);
    if (started) await say(`Started machine: ${name}`);
    const machine = await machines.connectMachine(context, name);
    try {
      const { events, started: listening } = await machines.observeMachine(machine, supervision, signal);
      await listening;
      for await (const event of events) await say(describeEvent(event));
    } finally {
      machine.close();
    }
    signal.throwIfAborted();
    if (!isThere(machines, context, name)) {
      await say(`Machine '${name}' was deleted`);
      return 0;
    }
    const { status, reason, state } = machines.inspectMachine(context, name);
    await say(`Machine '${name}' ${status}${reason === "" ? "" : `: ${reason}`}`);
    // What its own process could not do, because it was killed, is done here.
    const wasKilled = status === "stopped" && state?.phase !== "stopped";
    if (!wasKilled || policy === "never") return status === "failed" ? 1 : 0;
  }
}

const say = (line: string): Promise<void> => writeFully(1, Buffer.from(`${oneLine(line)}\n`));
