import type { Context } from "../../context.ts";
import { LogPrinter, printConsole } from "../../machine/logs/index.ts";
import type { Machines } from "../machines.ts";
import { warn } from "../output.ts";
import { OutputClosed, writeFully } from "../terminal/index.ts";
import { interruptible } from "./interruptible.ts";

interface LogValues {
  readonly follow: boolean;
  readonly tail: number | undefined;
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly timestamps: boolean;
  readonly console: boolean;
}

interface Target {
  readonly machine: string;
  /** Undefined: the machine's workload. */
  readonly process: string | undefined;
}

/** Shows a log until its end. @throws SmolError, Interrupted */
export async function showLogs(
  machines: Machines,
  context: Context,
  target: Target,
  values: LogValues,
): Promise<void> {
  try {
    await interruptible((signal) => show(machines, context, target, values, signal));
  } catch (error) {
    // Whoever read the output has seen enough.
    if (!(error instanceof OutputClosed)) throw error;
  }
}

async function show(
  machines: Machines,
  context: Context,
  { machine: name, process }: Target,
  { console, timestamps, ...range }: LogValues,
  signal: AbortSignal,
): Promise<void> {
  const options = { ...range, signal, onNote: warn };
  if (console) {
    for await (const entry of machines.consoleLog(context, name, options))
      await writeFully(1, Buffer.from(printConsole(entry, { timestamps })));
    return;
  }
  const printer = new LogPrinter({ timestamps });
  if (process === undefined) {
    for await (const entry of machines.workloadLog(context, name, options))
      await writeFully(entry.stream === "stdout" ? 1 : 2, printer.print(entry));
    return;
  }
  const { tail, follow, since = 0, until = Number.POSITIVE_INFINITY } = range;
  const machine = await machines.connectMachine(context, name);
  signal.addEventListener("abort", () => machine.close(), { once: true });
  try {
    for await (const entry of machines.processLog(machine, process, { tail, follow, onNote: warn })) {
      if (entry.time > until) return;
      if (entry.time >= since) await writeFully(entry.stream === "stdout" ? 1 : 2, printer.print(entry));
    }
  } finally {
    machine.close();
  }
}
