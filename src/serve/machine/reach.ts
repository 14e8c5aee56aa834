/** The way from a request to a machine that runs. */
import { SmolError } from "../../errors.ts";
import { connectMachine, type Machine, startMachine } from "../../machine/index.ts";
import type { Credentials } from "../../registry/index.ts";
import { unlessAborted } from "../../within.ts";
import type { Serving } from "../serving.ts";
import { TimeLimit } from "../time-limit.ts";

/**
 * Starts a machine, unless it runs.
 *
 * @param credentials for the registry of its image, where that has to be fetched
 * @throws SmolError what kept it from running; the signal's reason
 */
export async function start(
  { context, options, metrics }: Serving,
  name: string,
  signal: AbortSignal,
  credentials?: Credentials,
) {
  const begun = performance.now();
  const started = await startMachine(context, name, { engine: options.engine, signal, credentials });
  if (started.started) metrics.boot.observe((performance.now() - begun) / 1000);
  return started;
}

/**
 * Connects to a machine.
 *
 * @param autoStart start it when it does not run: for as long as a request may take, whatever time the request has for
 * what it does then
 * @throws SmolError `machine.not_found`, `machine.not_running`, what kept it from running; a `TimeoutError`
 */
export async function reach(
  serving: Serving,
  name: string,
  signal: AbortSignal,
  autoStart: boolean,
): Promise<Machine> {
  try {
    return await connectMachine(serving.context, name);
  } catch (error) {
    if (!autoStart || !(error instanceof SmolError) || error.code !== "machine.not_running") throw error;
  }
  const limit = new TimeLimit(serving.options.requestTimeoutMs);
  try {
    await start(serving, name, AbortSignal.any([signal, limit.signal]));
  } finally {
    limit.clear();
  }
  return await connectMachine(serving.context, name);
}

/** Does something with a machine that runs, and leaves it: also when the signal is aborted. */
export async function withMachine<T>(
  serving: Serving,
  name: string,
  signal: AbortSignal,
  work: (machine: Machine) => Promise<T>,
  { autoStart = false } = {},
): Promise<T> {
  const machine = await reach(serving, name, signal, autoStart);
  try {
    return await unlessAborted(work(machine), signal);
  } finally {
    machine.close();
  }
}
