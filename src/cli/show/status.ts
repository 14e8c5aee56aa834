import { hasProcess, type MachineInfo } from "../../machine/index.ts";
import { oneLine } from "../output.ts";

/** The text of `machine status`: what scripts look for in the first line, and below it what there is to say. */
export function formatStatus(machine: MachineInfo): string {
  const { name, status, reason, state, record } = machine;
  const lines = [firstLine(machine)];
  if (reason !== "") lines.push(`  ${oneLine(reason)}`);
  if (state?.workload) lines.push(`  workload: ${workloadLine(state.workload, hasProcess(status))}`);
  // Of one that does not run, the last check says nothing.
  if (state?.health && hasProcess(status)) lines.push(`  health: ${healthLine(state.health)}`);
  if (state !== undefined && state.restarts > 0) lines.push(`  restarts: ${state.restarts}`);
  if (status === "running") lines.push(...timeLines(machine));
  if (record === undefined && status === "unknown")
    lines.push(`  smolvm machine delete --name ${name} removes it`);
  return `${lines.join("\n")}\n`;
}

function firstLine({ name, status, state }: MachineInfo): string {
  const pid = hasProcess(status) && state !== undefined ? ` (PID: ${state.pid})` : "";
  return `Machine '${name}': ${status === "created" ? "created (not running)" : status}${pid}`;
}

type State = NonNullable<MachineInfo["state"]>;
type WorkloadEnd = NonNullable<NonNullable<State["workload"]>["end"]>;

function workloadLine({ argv, end }: NonNullable<State["workload"]>, alive: boolean): string {
  const how = end === null ? (alive ? "running" : "ended with its machine") : describeEnd(end);
  return `${how}: ${oneLine(argv.join(" "))}`;
}

function describeEnd({ signal, exitCode, outOfMemory }: WorkloadEnd): string {
  if (signal === null && exitCode === null) return "ended with its machine";
  const how = signal === null ? `with exit code ${exitCode}` : `by signal ${signal}`;
  return `ended ${how}${outOfMemory ? ", memory had run out" : ""}`;
}

function healthLine({ status, failures, output }: NonNullable<State["health"]>): string {
  const failed = failures > 0 ? `, ${failures} failure${failures === 1 ? "" : "s"} in a row` : "";
  const said = failures > 0 && output.trim() !== "" ? `: ${oneLine(output.trim())}` : "";
  return `${status}${failed}${said}`;
}

function timeLines({ state, record }: MachineInfo): string[] {
  const what = record?.onTimeout === "delete" ? "deleted" : "stopped";
  const lines: string[] = [];
  if (state?.ttlAt) lines.push(`  ttl: ${what} at ${new Date(state.ttlAt).toISOString()}`);
  if (state?.idleAt)
    lines.push(`  idle timeout: ${what} at ${new Date(state.idleAt).toISOString()} unless it is used`);
  return lines;
}
