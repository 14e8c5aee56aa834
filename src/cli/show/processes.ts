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

/** One entry of `machine ps --json`. Times are seconds since the epoch. */
export function processJson(process: ProcessInfo): Record<string, unknown> {
  const { id, name, argv, user, tty, pid, state, startedAt, endedAt, exitCode, signal } = process;
  return {
    ...{ id, name, user, tty, pid, state, signal },
    command: argv,
    running: state === "running",
    started_at: startedAt / 1000,
    ended_at: endedAt === null ? null : endedAt / 1000,
    exit_code: exitCode,
    oom_killed: process.outOfMemory,
    attached: process.attached,
  };
}
