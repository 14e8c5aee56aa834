/** What a machine tells: lines of its log, events. */
import type { Transport } from "./transport/types.ts";
import type { CallOptions, LogEntry, MonitorEvent } from "./types.ts";

export interface LogOptions extends Pick<CallOptions, "signal"> {
  /** Go on with what comes, until the machine ends. Default: false. */
  readonly follow?: boolean | undefined;
  /** Begin with the last so many lines. Default: all that are kept. */
  readonly tail?: number | undefined;
}

export async function* logsOf(
  transport: () => Transport,
  machine: string,
  { signal, follow, tail }: LogOptions,
): AsyncGenerator<LogEntry, void, void> {
  for await (const { time, stream, text } of transport().logs(machine, { follow, tail }, { signal }))
    yield { time: new Date(time), stream, text };
}

export async function* eventsOf(
  transport: () => Transport,
  machine: string,
  options: Pick<CallOptions, "signal">,
): AsyncGenerator<MonitorEvent, void, void> {
  for await (const event of transport().watch(machine, "supervise", {}, options)) yield event as MonitorEvent;
}
