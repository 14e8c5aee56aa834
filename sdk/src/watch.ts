/** What a machine tells: lines of its log, events. */
import { errorOf, SmolvmError } from "./errors.ts";
import type { Transport } from "./transport/types.ts";
import type { CallOptions, LogEntry, MonitorEvent } from "./types/index.ts";

/**
 * Which lines of a log.
 *
 * @example
 * const last: LogOptions = { tail: 20 };
 * for await (const { text } of machine.logs(last)) console.log(text);
 */
export interface LogOptions extends Pick<CallOptions, "signal"> {
  /** Go on with what comes, until the machine ends. Default: false. */
  readonly follow?: boolean | undefined;
  /** Begin with the last so many lines. Default: all that are kept. */
  readonly tail?: number | undefined;
  /** What its workload printed, or its kernel and smolvm's agent did. Default: "workload". */
  readonly source?: "workload" | "console" | undefined;
}

export async function* logsOf(
  transport: () => Transport,
  machine: string,
  { signal, follow, tail, source }: LogOptions,
): AsyncGenerator<LogEntry, void, void> {
  for await (const { time, stream, text } of transport().logs(machine, { follow, tail, source }, { signal }))
    yield { time: new Date(time), stream, text };
}

export async function* eventsOf(
  transport: () => Transport,
  machine: string,
  options: Pick<CallOptions, "signal">,
): AsyncGenerator<MonitorEvent, void, void> {
  for await (const event of transport().watch(machine, "supervise", {}, options)) yield event as MonitorEvent;
}

/** Of a server that has as many watchers as it takes, or has none: the end of a machine is not seen there. */
const UNSEEN: ReadonlySet<string> = new Set(["sdk.unavailable", "sdk.unsupported"]);

/**
 * Rejects when the machine ends, at once when it does not run. It may take until the caller's limit where nobody sees that.
 *
 * @throws InvalidStateError `machine.not_running`; MachineNotFoundError; the signal's reason
 */
export async function whenEnded(
  transport: () => Transport,
  machine: string,
  signal: AbortSignal,
): Promise<never> {
  try {
    for await (const _ of eventsOf(transport, machine, { signal }));
  } catch (error) {
    if (!(error instanceof SmolvmError && UNSEEN.has(error.code))) throw error;
    return await new Promise<never>(() => {});
  }
  signal.throwIfAborted();
  throw errorOf({ code: "machine.not_running", message: `machine '${machine}' has ended` });
}
