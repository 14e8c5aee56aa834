import type { ProcessInfo } from "../../machine/index.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine } from "../output.ts";

const columns: readonly Column<ProcessInfo>[] = [
  { title: "ID", width: 14, align: "left", text: ({ id }) => id },
  { title: "STATE", width: 16, align: "left", text: stateOf },
  { title: "STARTED", width: 22, align: "left", text: ({ startedAt }) => timeOf(startedAt) },
  { title: "COMMAND", width: 0, align: "left", text: commandOf },
];

/** The table of `machine ps`, with its final newline. */
export function formatProcesses(processes: readonly ProcessInfo[]): string {
  return formatTable(columns, processes, { full: true });
}

function stateOf({ state, exitCode, signal }: ProcessInfo): string {
  if (state !== "exited") return state;
  return signal === null ? `exited (${exitCode ?? "?"})` : `signal ${signal}`;
}

const timeOf = (milliseconds: number): string => new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");

function commandOf({ name, argv }: ProcessInfo): string {
  return `${name === null ? "" : `${name}: `}${oneLine(argv.join(" "))}`;
}
