import type { MachineFigures } from "../../machine/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine } from "../output.ts";

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
  { title: "ROOT DISK", width: 18, align: "right", text: ({ figures }) => filesystem(figures, "/") },
  {
    title: "STORAGE DISK",
    width: 18,
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
