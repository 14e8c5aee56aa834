import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { consoleLogPath, egressLogPath, workloadLogPath } from "../host/machine-logs.ts";
import {
  type ConsoleEntry,
  type EgressEntry,
  type LogEntry,
  newsOf,
  type ReadOptions,
  readConsole,
  readEgress,
  readLogs,
} from "../logs/index.ts";
import { dataDirectory } from "../store/index.ts";
import { connectMachine, type Machine } from "./connect.ts";
import { inspectMachine } from "./info.ts";

export interface LogsOptions extends Omit<ReadOptions, "follow"> {
  /** Go on with what comes, until the machine ends. */
  readonly follow?: boolean | undefined;
}

/**
 * What a machine's workload has printed, also when it does not run any more.
 *
 * @throws SmolError `machine.not_found`; as `readLogs`
 */
export async function* workloadLog(
  context: Context,
  name: string,
  options: LogsOptions = {},
): AsyncGenerator<LogEntry, void, void> {
  const path = workloadLogPath(dataDirectory(context.paths, name));
  yield* following(context, name, "workload", options, (readOptions) => readLogs(path, readOptions));
}

/** As `workloadLog`, the lines of the machine's console. */
export async function* consoleLog(
  context: Context,
  name: string,
  options: LogsOptions = {},
): AsyncGenerator<ConsoleEntry, void, void> {
  const path = consoleLogPath(dataDirectory(context.paths, name));
  yield* following(context, name, "console", options, (readOptions) => readConsole(path, readOptions));
}

/** As `workloadLog`, what the machine wanted from the network, and what was decided. */
export async function* egressLog(
  context: Context,
  name: string,
  options: LogsOptions = {},
): AsyncGenerator<EgressEntry, void, void> {
  const path = egressLogPath(dataDirectory(context.paths, name));
  yield* following(context, name, "egress", options, (readOptions) => readEgress(path, readOptions));
}

async function* following<Entry>(
  context: Context,
  name: string,
  log: "workload" | "console" | "egress",
  { follow, ...options }: LogsOptions,
  read: (options: ReadOptions) => AsyncGenerator<Entry, void, void>,
): AsyncGenerator<Entry, void, void> {
  inspectMachine(context, name, "outline");
  // Listening begins before reading: nothing in between is missed.
  const machine = follow ? await connectIfRunning(context, name) : undefined;
  try {
    const news = machine && newsOf(machine.open({ method: "logNews", params: { log } }));
    yield* read({ ...options, follow: news });
  } finally {
    machine?.close();
  }
}

async function connectIfRunning(context: Context, name: string): Promise<Machine | undefined> {
  try {
    return await connectMachine(context, name);
  } catch (error) {
    if (error instanceof SmolError && error.code === "machine.not_running") return undefined;
    throw error;
  }
}
