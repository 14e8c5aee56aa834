import type { Context } from "../../context.ts";
import type { MachineRecord, MachineState, MachineStatus, PortSpec } from "../model/index.ts";
import { notFound } from "../model/index.ts";
import {
  checkEntryName,
  isForeign,
  isRunning,
  isTaken,
  lostItsOwner,
  machineDirectory,
  machineNames,
  readRecord,
  readState,
} from "../store/index.ts";
import { residentBytes } from "./resident.ts";

/** Whether a machine in this state has a process. */
export const hasProcess = (status: MachineStatus): boolean =>
  status === "running" || status === "starting" || status === "stopping" || status === "unreachable";

/** The ports of a machine. Where a port 0 is, only its process knows. */
export const portsOf = ({ status, record, state }: MachineInfo): readonly PortSpec[] =>
  (hasProcess(status) ? state?.ports : undefined) ?? record?.ports ?? [];

/** Whether the workload runs. What a process that was killed has told last need not be so any more. */
export const isWorkloadRunning = ({ status, state }: MachineInfo): boolean =>
  hasProcess(status) && state?.workload?.end === null;

/** What is known about a machine without asking it. */
export interface MachineInfo {
  readonly name: string;
  readonly status: MachineStatus;
  /** Why, for people; empty when there is nothing to say. */
  readonly reason: string;
  /** Absent when it was written by a later program, or is damaged. */
  readonly record: MachineRecord | undefined;
  /** What its process has told last; absent when it has never run. */
  readonly state: MachineState | undefined;
  /** Bytes of the host's memory that its VMM has now. */
  readonly memoryBytes: number | undefined;
}

/** Every machine, by name. Looking changes nothing and starts nothing. */
export function listMachines({ paths }: Context): MachineInfo[] {
  return machineNames(paths)
    .map((name) => look(paths, name, "outline"))
    .filter((info) => info !== undefined);
}

/** The names of all machines, as far as a look at one directory tells. */
export function listMachineNames({ paths }: Context): string[] {
  return machineNames(paths);
}

/**
 * One machine.
 *
 * @param depth `outline`: its record is checked as far as a listing does, which takes a few milliseconds less
 * @throws SmolError `machine.not_found`, `machine.bad_name`
 */
export function inspectMachine(
  { paths }: Context,
  name: string,
  depth: "whole" | "outline" = "whole",
): MachineInfo {
  const info = look(paths, checkEntryName(paths, name), depth);
  if (info === undefined) throw notFound(name);
  return info;
}

/** What stands for the machine called `default` before there is one. */
export function absentMachine(name: string): MachineInfo {
  const reason = "there is no such machine yet: smolvm machine start makes it";
  return { name, status: "stopped", reason, record: undefined, state: undefined, memoryBytes: undefined };
}

function look(paths: Context["paths"], name: string, depth: "whole" | "outline"): MachineInfo | undefined {
  const running = isRunning(paths, name);
  const read = readRecord(paths, name, depth) ?? { kind: "damaged", reason: whyNone(paths, name) };
  // Not there, or removed at this moment.
  if (read.kind !== "record" && !isTaken(paths, name)) return undefined;
  const record = read.kind === "record" ? read.record : undefined;
  // A throw-away machine whose process is gone is gone with it, and so is one whose owner has gone.
  if (!running && (record?.ephemeral || lostItsOwner(machineDirectory(paths, name)))) return undefined;
  const state = readState(paths, name, depth);
  const memoryBytes = running ? residentBytes(state?.vmmPid) : undefined;
  if (read.kind === "newer") {
    const reason = `made by a later smolvm (record version ${read.version})`;
    return { name, status: running ? "running" : "unknown", reason, record, state, memoryBytes };
  }
  if (read.kind === "damaged") {
    const reason = `its record cannot be read: ${read.reason}`;
    return { name, status: running ? "running" : "unknown", reason, record, state, memoryBytes };
  }
  return { name, ...statusOf(running, state), record, state, memoryBytes };
}

const whyNone = (paths: Context["paths"], name: string): string =>
  isForeign(paths, name) ? "it is no directory" : "there is none";

function statusOf(running: boolean, state: MachineState | undefined): Pick<MachineInfo, "status" | "reason"> {
  if (running) return { status: alive(state?.phase), reason: state?.reason ?? "" };
  if (state === undefined) return { status: "created", reason: "" };
  const { phase, reason } = state;
  if (phase === "stopped" || phase === "failed") return { status: phase, reason };
  return { status: "stopped", reason: "its process was killed, or the host went down" };
}

/** A process that has just taken the lock has not written its own state yet. */
function alive(phase: MachineState["phase"] | undefined): MachineStatus {
  return phase === "running" || phase === "stopping" ? phase : "starting";
}
