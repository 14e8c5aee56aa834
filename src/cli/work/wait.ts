import type { Context } from "../../context.ts";
import { ExitCode, SmolError } from "../../errors.ts";
import type { AwaitedStatus, Machine } from "../../machine/index.ts";
import { exitCodeIn, exitCodeOf } from "../../protocol/index.ts";
import { unlessAborted } from "../../within.ts";
import type { Machines } from "../machines.ts";
import { interruptible } from "./interruptible.ts";

interface Target {
  readonly machine: string;
  /** Undefined: the machine's workload. */
  readonly process: string | undefined;
}

/**
 * `machine wait`: for the end of a process, or for a state of a machine.
 *
 * @param timeoutMs undefined: for ever
 * @returns the exit code of what has ended; undefined when something else was waited for
 * @throws SmolError `machine.wait_timeout` with exit code 124; Interrupted
 */
export async function waitFor(
  machines: Machines,
  context: Context,
  target: Target,
  until: "exited" | AwaitedStatus,
  timeoutMs: number | undefined,
): Promise<number | undefined> {
  const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  try {
    return await interruptible(async (interrupted) => {
      const signal = limit === undefined ? interrupted : AbortSignal.any([interrupted, limit]);
      const { machine, process } = target;
      if (until !== "exited") {
        await machines.waitForStatus(context, machine, until, signal);
        return undefined;
      }
      if (process !== undefined) return await processEnd(machines, context, machine, process, signal);
      return await workloadEnd(machines, context, machine, signal);
    });
  } catch (error) {
    if (limit?.aborted && error === limit.reason) throw tooLate(target.machine, until);
    throw error;
  }
}

async function workloadEnd(machines: Machines, context: Context, name: string, signal: AbortSignal) {
  const end = await machines.waitForMachine(context, name, signal);
  // A machine without a workload, which was stopped.
  if (end === undefined) return 0;
  return exitCodeIn(end) ?? 0;
}

async function processEnd(
  machines: Machines,
  context: Context,
  name: string,
  process: string,
  signal: AbortSignal,
): Promise<number> {
  const machine = await machines.connectMachine(context, name);
  try {
    return await unlessAborted(endOf(machines, machine, process), signal);
  } finally {
    machine.close();
  }
}

async function endOf(machines: Machines, machine: Machine, process: string): Promise<number> {
  const attached = await machines.attachProcess(machine, { process, stdin: false });
  // What is not read would hold up the process.
  const [result] = await Promise.all([attached.result, drain(attached.stdout), drain(attached.stderr)]);
  return exitCodeOf(result);
}

async function drain(output: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of output);
}

function tooLate(name: string, until: string): SmolError {
  const what = until === "exited" ? "what was waited for has not ended" : `it is not ${until}`;
  return new SmolError("machine.wait_timeout", `machine '${name}': timed out, ${what}`, {
    exitCode: ExitCode.timeout,
  });
}
