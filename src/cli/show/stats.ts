import type { Context } from "../../context.ts";
import type { MachineFigures } from "../../machine/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine, print } from "../output.ts";
import { Interrupted, Interrupts } from "../terminal/index.ts";

/** A machine's figures at a moment. */
export interface NamedFigures {
  readonly name: string;
  readonly figures: MachineFigures;
}

const filesystem = (figures: MachineFigures, path: string): string => {
  const found = figures.filesystems.find((one) => one.path === path);
  return found === undefined
    ? "-"
    : `${formatBytes(found.bytes - found.freeBytes)}/${formatBytes(found.bytes)}`;
};

const columns: readonly Column<NamedFigures>[] = [
  { title: "NAME", width: 20, align: "left", text: ({ name }) => oneLine(name) },
  {
    title: "CPU",
    width: 8,
    align: "right",
    text: ({ figures: { processors } }) =>
      processors === undefined ? "-" : `${(processors * 100).toFixed(1)}%`,
  },
  {
    title: "MEMORY",
    width: 10,
    align: "right",
    text: ({ figures }) => formatBytes(figures.root.memoryBytes),
  },
  {
    title: "HOST MEMORY",
    width: 12,
    align: "right",
    text: ({ figures: { hostBytes } }) => (hostBytes === undefined ? "-" : formatBytes(hostBytes)),
  },
  { title: "ROOT DISK", width: 22, align: "right", text: ({ figures }) => filesystem(figures, "/") },
  {
    title: "STORAGE DISK",
    width: 22,
    align: "right",
    text: ({ figures }) => filesystem(figures, "/storage"),
  },
  { title: "PIDS", width: 6, align: "right", text: ({ figures }) => String(figures.root.processes) },
];

/** The table of `machine stats`, with its final newline. */
export function formatStats(machines: readonly NamedFigures[]): string {
  return formatTable(columns, machines);
}

/** One line of `machine stats --json`. */
export function statsJson({ name, figures }: NamedFigures): Record<string, unknown> {
  const disk = (path: string) => {
    const found = figures.filesystems.find((one) => one.path === path);
    return found === undefined ? null : { bytes: found.bytes, free_bytes: found.freeBytes };
  };
  return {
    name,
    cpu_percent: figures.processors === undefined ? null : Math.round(figures.processors * 1000) / 10,
    memory_bytes: figures.root.memoryBytes,
    memory_total_bytes: figures.memoryBytes,
    memory_available_bytes: figures.availableBytes,
    host_memory_bytes: figures.hostBytes ?? null,
    processes: figures.root.processes,
    root_disk: disk("/"),
    storage_disk: disk("/storage"),
  };
}

type Machines = typeof import("../../machine/index.ts");

/** Milliseconds between figures. */
const EVERY_MS = 1000;

/** Shows figures of machines until an interrupt, or once. Resolves to the exit code. */
export async function showStats(
  machines: Machines,
  context: Context,
  names: readonly string[],
  { noStream, json }: { readonly noStream: boolean; readonly json: boolean },
): Promise<number> {
  const interrupts = new Interrupts();
  const latest = new Map<string, MachineFigures>();
  const connected = await Promise.all(names.map((name) => machines.connectMachine(context, name)));
  try {
    const watching = connected.map(async (machine) => {
      // The second figures are the first that tell about the processor.
      let rounds = 0;
      for await (const figures of machines.machineFigures(context, machine, noStream ? 500 : EVERY_MS)) {
        latest.set(machine.name, figures);
        if (noStream && ++rounds === 2) break;
        if (!noStream) await showLatest(latest, json, machine.name);
      }
      if (!noStream) latest.delete(machine.name);
    });
    await Promise.race([Promise.all(watching), interrupts.expired]);
    if (noStream) await showOnce(latest, json);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    throw error;
  } finally {
    for (const machine of connected) machine.close();
    interrupts.release();
  }
}

const sorted = (latest: ReadonlyMap<string, MachineFigures>): NamedFigures[] =>
  [...latest].map(([name, figures]) => ({ name, figures })).sort((a, b) => (a.name < b.name ? -1 : 1));

async function showOnce(latest: ReadonlyMap<string, MachineFigures>, json: boolean): Promise<void> {
  const all = sorted(latest);
  if (json) await print(all.map((one) => `${JSON.stringify(statsJson(one))}\n`).join(""));
  else await print(formatStats(all));
}

/** On a terminal one table is drawn over the one before. */
const HOME_AND_CLEAR = "\u001b[H\u001b[J";

async function showLatest(
  latest: ReadonlyMap<string, MachineFigures>,
  json: boolean,
  changed: string,
): Promise<void> {
  const figures = latest.get(changed);
  if (json && figures !== undefined) {
    await print(`${JSON.stringify(statsJson({ name: changed, figures }))}\n`);
    return;
  }
  // Once for each round: with the figures of the first machine.
  if (sorted(latest)[0]?.name !== changed) return;
  const clear = process.stdout.isTTY ? HOME_AND_CLEAR : "";
  await print(`${clear}${formatStats(sorted(latest))}`);
}
