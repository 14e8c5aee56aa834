import type { Context } from "../context.ts";
import { ExitCode, SmolError } from "../errors.ts";
import { isThere, openMachines } from "./machines.ts";
import { processOf } from "./options/process-name.ts";
import { print } from "./output.ts";
import { Interrupted, Interrupts } from "./terminal/index.ts";

type Machines = typeof import("../machine/index.ts");

interface WaitValues {
  readonly name: string | undefined;
  readonly until: "exited" | "running" | "healthy" | "stopped";
  readonly timeout: number | undefined;
}

interface Naming {
  readonly values: { readonly name: string | undefined };
  readonly words: readonly string[];
}

/** `machine wait`. Resolves to the exit code. */
export async function waitFor(naming: Naming, { until, timeout }: WaitValues): Promise<number> {
  const { machines, context } = await openMachines();
  const { machine: name, process } = processOf(naming, (name) => isThere(machines, context, name));
  const interrupts = new Interrupts();
  const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout);
  const signal = limit === undefined ? interrupts.signal : AbortSignal.any([interrupts.signal, limit]);
  try {
    const waiting =
      until === "exited"
        ? exited(machines, context, name, process, signal)
        : reached(machines, context, name, until, signal);
    await Promise.race([waiting, interrupts.expired]);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    if (limit?.aborted && !interrupts.signal.aborted) {
      throw new SmolError(
        "machine.wait_timeout",
        `machine '${name}': what was waited for did not happen in time`,
        {
          exitCode: ExitCode.timeout,
        },
      );
    }
    throw error;
  } finally {
    interrupts.release();
  }
}

async function exited(
  machines: Machines,
  context: Context,
  name: string,
  process: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (process === undefined) {
    const end = await machines.waitForMachine(context, name, signal);
    await print(`${end === undefined ? 0 : (end.exitCode ?? 128 + (end.signal ?? 0))}\n`);
    return;
  }
  const machine = await machines.connectMachine(context, name);
  const attached = await machines.attachProcess(machine, { process, stdin: false });
  try {
    const result = await unlessAborted(attached.result, signal);
    await print(`${"exitCode" in result ? result.exitCode : "signal" in result ? 128 + result.signal : 0}\n`);
  } finally {
    machine.close();
  }
}

/** Between two looks at a machine that tells nobody about that. */
const LOOK_MS = 100;

async function reached(
  machines: Machines,
  context: Context,
  name: string,
  until: "running" | "healthy" | "stopped",
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { status, state, record } = machines.inspectMachine(context, name);
    const isOver = status === "stopped" || status === "failed" || status === "created";
    if (until === "stopped" ? isOver : until === "running" ? status === "running" : isHealthy(state)) return;
    if (until === "healthy" && record?.health === null)
      throw new SmolError("machine.no_health", `machine '${name}' has no health check`);
    if (until !== "stopped" && status === "failed")
      throw new SmolError("machine.failed", `machine '${name}' has failed: ${state?.reason ?? ""}`);
    await Bun.sleep(LOOK_MS);
  }
}

const isHealthy = (state: { readonly health: { readonly status: string } | null } | undefined): boolean =>
  state?.health?.status === "healthy";

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
