import type { Context } from "../../context.ts";
import { LogPrinter, printConsole } from "../../machine/logs/index.ts";
import { print, warn } from "../output.ts";
import { Interrupted, Interrupts, OutputClosed, writeFully } from "../terminal/index.ts";

type Machines = typeof import("../../machine/index.ts");

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

/** Shows a log until its end, or until an interrupt. Resolves to the exit code. */
export async function showLogs(
  machines: Machines,
  context: Context,
  target: Target,
  values: LogValues,
): Promise<number> {
  const interrupts = new Interrupts();
  const showing = show(machines, context, target, values, interrupts.signal);
  showing.catch(() => {});
  try {
    await Promise.race([showing, interrupts.expired]);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    // Whoever read the output has seen enough.
    if (error instanceof OutputClosed) return 0;
    throw error;
  } finally {
    interrupts.release();
  }
}

async function show(
  machines: Machines,
  context: Context,
  { machine: name, process }: Target,
  values: LogValues,
  signal: AbortSignal,
): Promise<void> {
  const { follow, tail, since, until, timestamps } = values;
  const options = { follow, tail, since, until, signal, onNote: warn };
  if (values.console) {
    for await (const entry of machines.consoleLog(context, name, options))
      await print(printConsole(entry, { timestamps }));
    return;
  }
  const printer = new LogPrinter({ timestamps });
  if (process === undefined) {
    for await (const entry of machines.workloadLog(context, name, options))
      await writeFully(entry.stream === "stdout" ? 1 : 2, printer.print(entry));
    return;
  }
  const machine = await machines.connectMachine(context, name);
  try {
    for await (const entry of machines.processLog(machine, process, { tail, follow, onNote: warn }))
      await writeFully(entry.stream === "stdout" ? 1 : 2, printer.print(entry));
  } finally {
    machine.close();
  }
}
