import type { Context } from "../../context.ts";
import { type LogEntry, LogPrinter, printConsole } from "../../machine/logs/index.ts";
import type { Machines } from "../machines.ts";
import { warn } from "../output.ts";
import { OutputClosed, writeFully } from "../terminal/index.ts";
import { CollectedOutput, type Piece } from "./collected-output.ts";
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

/**
 * Shows a log until its end.
 *
 * @param collected only what fits into an answer, of the log's end; see collected-output.ts
 * @throws SmolError, Interrupted
 */
export async function showLogs(
  machines: Machines,
  context: Context,
  target: Target,
  values: LogValues,
  { collected }: { readonly collected: boolean },
): Promise<void> {
  try {
    await interruptible(async (signal) => {
      const pieces = piecesOf(machines, context, target, values, signal);
      for await (const { fd, bytes } of collected ? lastOf(pieces) : pieces) await writeFully(fd, bytes);
    });
  } catch (error) {
    // Whoever read the output has seen enough.
    if (!(error instanceof OutputClosed)) throw error;
  }
}

async function* piecesOf(
  machines: Machines,
  context: Context,
  { machine: name, process }: Target,
  { console, timestamps, ...range }: LogValues,
  signal: AbortSignal,
): AsyncGenerator<Piece, void, void> {
  const options = { ...range, signal, onNote: warn };
  if (console) {
    for await (const entry of machines.consoleLog(context, name, options))
      yield { fd: 1, bytes: Buffer.from(printConsole(entry, { timestamps })) };
    return;
  }
  const printer = new LogPrinter({ timestamps });
  const pieceOf = (entry: LogEntry): Piece => ({
    fd: entry.stream === "stdout" ? 1 : 2,
    bytes: printer.print(entry),
  });
  if (process === undefined) {
    for await (const entry of machines.workloadLog(context, name, options)) yield pieceOf(entry);
    return;
  }
  const { tail, follow, since = 0, until = Number.POSITIVE_INFINITY } = range;
  const machine = await machines.connectMachine(context, name);
  signal.addEventListener("abort", () => machine.close(), { once: true });
  try {
    for await (const entry of machines.processLog(machine, process, { tail, follow, onNote: warn })) {
      if (entry.time > until) return;
      if (entry.time >= since) yield pieceOf(entry);
    }
  } finally {
    machine.close();
  }
}

async function* lastOf(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece, void, void> {
  const output = new CollectedOutput();
  for await (const piece of pieces) output.add(piece);
  if (output.isCut)
    warn("only the end of the log is shown to a program that collects it; --tail all shows everything");
  yield* output.pieces;
}
