import type { EngineName } from "../engine/index.ts";
import type { MachineSummary } from "./request.ts";

/** What a machine is. */
export interface MachineDescription {
  readonly name: string;
  readonly ephemeral: boolean;
  readonly engine: EngineName;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly storageGib: number;
  readonly overlayGib: number;
  readonly mitigations: boolean;
  /** The reference that the user gave; null for the built-in base image. */
  readonly image: string | null;
  /** `sha256:<hex>` of the image that this reference led to; null for the built-in one. */
  readonly imageId: string | null;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Environment, working directory and user that `machine exec` starts with. */
  readonly env: readonly string[];
  readonly workdir: string;
  readonly user: string;
}

/** `machine.json`: a machine and its process, written when it starts and when its state changes. */
export interface MachineRecord extends MachineDescription {
  readonly version: 1;
  /** Process id of the machine process. */
  readonly pid: number;
  /** Seconds since the epoch. */
  readonly createdAt: number;
  readonly state: "starting" | "running";
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

/** Parses a record; undefined when it is damaged, of another version, or not there yet. */
export function parseRecord(text: string): MachineRecord | undefined {
  let value: Partial<Record<keyof MachineRecord, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || value.version !== 1) return undefined;
  const numbers = [
    value.pid,
    value.createdAt,
    value.cpus,
    value.memoryMib,
    value.storageGib,
    value.overlayGib,
  ];
  const texts = [value.name, value.engine, value.workdir, value.user];
  const valid =
    numbers.every((number) => Number.isSafeInteger(number)) &&
    texts.every((text) => typeof text === "string") &&
    typeof value.ephemeral === "boolean" &&
    typeof value.mitigations === "boolean" &&
    (value.image === null || typeof value.image === "string") &&
    (value.imageId === null || typeof value.imageId === "string") &&
    (value.state === "starting" || value.state === "running") &&
    [value.entrypoint, value.cmd, value.env].every(isTexts);
  return valid ? (value as MachineRecord) : undefined;
}

export function summarize(record: MachineRecord): MachineSummary {
  return {
    name: record.name,
    state: record.state,
    cpus: record.cpus,
    memory_mib: record.memoryMib,
    pid: record.pid,
    created_at: record.createdAt,
    storage_gb: record.storageGib,
    overlay_gb: record.overlayGib,
    image: record.image,
    image_id: record.imageId,
    entrypoint: record.entrypoint,
    cmd: record.cmd,
    workdir: record.workdir,
    env: record.env,
    network: false,
    ephemeral: record.ephemeral,
    engine: record.engine,
  };
}
