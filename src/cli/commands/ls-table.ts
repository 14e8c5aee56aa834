import type { MachineSummary } from "../../machine/request.ts";
import { oneLine } from "../output.ts";

interface Column {
  readonly title: string;
  readonly width: number;
  readonly align: "left" | "right";
  readonly text: (machine: MachineSummary) => string;
}

const NAME_WIDTH = 20;

/** Titles and widths are part of what scripts rely on: see docs on output stability before changing them. */
const COLUMNS: readonly Column[] = [
  {
    title: "NAME",
    width: NAME_WIDTH,
    align: "left",
    text: ({ name }) => shorten(oneLine(name), NAME_WIDTH - 2),
  },
  {
    title: "STATE",
    width: 14,
    align: "left",
    text: (machine) => machine.state + (machine.ephemeral ? " (eph)" : ""),
  },
  { title: "CPUS", width: 5, align: "right", text: ({ cpus }) => String(cpus) },
  { title: "MEMORY", width: 10, align: "right", text: ({ memory_mib }) => `${memory_mib} MiB` },
  { title: "STORAGE", width: 8, align: "right", text: ({ storage_gb }) => `${storage_gb} GiB` },
  { title: "OVERLAY", width: 8, align: "right", text: ({ overlay_gb }) => `${overlay_gb} GiB` },
  { title: "ENGINE", width: 6, align: "left", text: ({ engine }) => oneLine(engine) },
];

/** The table of `machine ls`, with its final newline. `verbose` adds indented lines to each machine. */
export function formatMachines(machines: readonly MachineSummary[], verbose: boolean): string {
  if (machines.length === 0) return "No machines found\n";
  const titles = row((column) => column.title);
  const lines = machines.flatMap((machine) => [
    row((column) => column.text(machine)),
    ...(verbose ? [...detailsOf(machine), ""] : []),
  ]);
  return `${[titles, "-".repeat(titles.length), ...lines].join("\n")}\n`;
}

function row(cell: (column: Column) => string): string {
  const cells = COLUMNS.map((column) => {
    const text = cell(column);
    return column.align === "left" ? text.padEnd(column.width) : text.padStart(column.width);
  });
  return cells.join(" ").trimEnd();
}

function detailsOf(machine: MachineSummary): string[] {
  const facts: readonly (readonly [string, string])[] = [
    ["PID", String(machine.pid)],
    ["Image", machine.image ?? "built-in base image"],
    ["Entrypoint", JSON.stringify(machine.entrypoint)],
    ["Cmd", JSON.stringify(machine.cmd)],
    ["Created", new Date(machine.created_at * 1000).toISOString()],
  ];
  return facts.map(([key, text]) => `  ${key}: ${oneLine(text)}`);
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`;
}
