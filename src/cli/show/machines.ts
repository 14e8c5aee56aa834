import type { MachineSummary } from "../../machine/request.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine } from "../output.ts";

/** Names are never cut off: scripts look for lines that begin with one. */
const MIN_NAME_WIDTH = 20;

/** Titles and widths are part of what scripts rely on: see docs on output stability before changing them. */
const columnsOf = (nameWidth: number): readonly Column<MachineSummary>[] => [
  { title: "NAME", width: nameWidth, align: "left", text: ({ name }) => oneLine(name) },
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
  const nameWidth = Math.max(MIN_NAME_WIDTH, ...machines.map(({ name }) => oneLine(name).length));
  return formatTable(columnsOf(nameWidth), machines, verbose ? { details: detailsOf } : {});
}

function detailsOf(machine: MachineSummary): string[] {
  const facts: readonly (readonly [string, string])[] = [
    ["PID", String(machine.pid)],
    ["Image", machine.image ?? "built-in base image"],
    ["Entrypoint", JSON.stringify(machine.entrypoint)],
    ["Cmd", JSON.stringify(machine.cmd)],
    ["Workdir", machine.workdir],
    ...machine.env.map((variable) => ["Env", variable] as const),
    ["Created", new Date(machine.created_at * 1000).toISOString()],
  ];
  return [...facts.map(([key, text]) => `  ${key}: ${oneLine(text)}`), ""];
}
