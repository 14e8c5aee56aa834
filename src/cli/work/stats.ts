import type { Context } from "../../context.ts";
import type { Machine, MachineFigures } from "../../machine/index.ts";
import type { Machines } from "../machines.ts";
import { formatStats, type NamedFigures, statsJson } from "../show/stats.ts";
import { OutputClosed, writeFully } from "../terminal/index.ts";
import { interruptible } from "./interruptible.ts";

/** Milliseconds between figures; with `--no-stream` the processor is watched for the shorter time. */
const EVERY_MS = 1000;
const ONCE_MS = 500;

/** On a terminal one table is drawn over the one before. */
const HOME_AND_CLEAR = "\u001b[H\u001b[J";

interface StatsValues {
  readonly noStream: boolean;
  readonly json: boolean;
}

/** Shows figures of running machines until none of them runs, or once. @throws SmolError, Interrupted */
export async function showStats(
  machines: Machines,
  context: Context,
  names: readonly string[],
  values: StatsValues,
): Promise<void> {
  try {
    await interruptible((signal) => show(machines, context, names, values, signal));
  } catch (error) {
    // Whoever read the output has seen enough.
    if (!(error instanceof OutputClosed)) throw error;
  }
}

async function show(
  machines: Machines,
  context: Context,
  names: readonly string[],
  { noStream, json }: StatsValues,
  signal: AbortSignal,
): Promise<void> {
  const connected: Machine[] = [];
  const close = () => {
    for (const machine of connected) machine.close();
  };
  signal.addEventListener("abort", close, { once: true });
  const latest = new Map<string, MachineFigures>();
  try {
    for (const name of names) connected.push(await machines.connectMachine(context, name));
    await Promise.all(connected.map(noStream ? watchOnce : watch));
    if (noStream) await write(json ? linesOf(sorted(latest)) : formatStats(sorted(latest)));
  } finally {
    close();
  }

  async function watchOnce(machine: Machine): Promise<void> {
    for await (const figures of machines.machineFigures(context, machine, ONCE_MS)) {
      latest.set(machine.name, figures);
      // The first ones tell nothing about the processor.
      if (figures.processors !== undefined) return;
    }
  }

  async function watch(machine: Machine): Promise<void> {
    for await (const figures of machines.machineFigures(context, machine, EVERY_MS)) {
      latest.set(machine.name, figures);
      if (json) await write(linesOf([{ name: machine.name, figures }]));
      // A table for each round: with the figures of the first machine.
      else if (sorted(latest)[0]?.name === machine.name) await write(table(sorted(latest)));
    }
    latest.delete(machine.name);
  }
}

const table = (figures: readonly NamedFigures[]): string =>
  `${process.stdout.isTTY ? HOME_AND_CLEAR : ""}${formatStats(figures)}`;

const linesOf = (figures: readonly NamedFigures[]): string =>
  figures.map((one) => `${JSON.stringify(statsJson(one))}\n`).join("");

const write = (text: string): Promise<void> => writeFully(1, Buffer.from(text));

const sorted = (latest: ReadonlyMap<string, MachineFigures>): NamedFigures[] =>
  [...latest].map(([name, figures]) => ({ name, figures })).sort((a, b) => (a.name < b.name ? -1 : 1));
