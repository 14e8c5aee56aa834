/**
 * A machine as JSON: `machine ls --json`, `status --json`, later the API. docs/schema/machine.schema.json is made from
 * this schema. Keys are those that scripts know; a later version only adds some. Times are seconds since the epoch.
 */
import {
  array,
  boolean,
  type InferOutput,
  nullable,
  number,
  object,
  picklist,
  record,
  string,
} from "valibot";
import type { MachineInfo } from "./info.ts";

const seconds = nullable(number());

const workloadSchema = object({
  command: array(string()),
  running: boolean(),
  started_at: number(),
  ended_at: seconds,
  exit_code: nullable(number()),
  signal: nullable(number()),
  oom_killed: boolean(),
});

const healthSchema = object({
  status: picklist(["starting", "healthy", "unhealthy"]),
  failures: number(),
  output: string(),
  checked_at: number(),
});

/** Null stands for what does not apply, or is not known of a machine whose record cannot be read. */
export const machineJsonSchema = object({
  name: string(),
  state: picklist([
    "created",
    "starting",
    "running",
    "stopping",
    "stopped",
    "failed",
    "unreachable",
    "unknown",
  ]),
  state_reason: string(),
  ephemeral: boolean(),
  /** Of the machine's process and of its VMM, while it runs. */
  pid: nullable(number()),
  vmm_pid: nullable(number()),
  engine: nullable(string()),
  cpus: nullable(number()),
  memory_mib: nullable(number()),
  /** What the VMM has of the host's memory now. */
  memory_used_mib: nullable(number()),
  storage_gb: nullable(number()),
  overlay_gb: nullable(number()),
  image: nullable(string()),
  image_id: nullable(string()),
  entrypoint: array(string()),
  cmd: array(string()),
  workdir: nullable(string()),
  user: nullable(string()),
  init: array(string()),
  init_once: array(string()),
  labels: record(string(), string()),
  network: boolean(),
  mounts: number(),
  ports: number(),
  gpu: boolean(),
  restart_policy: nullable(string()),
  restart_max_retries: nullable(number()),
  restart_count: number(),
  health: nullable(healthSchema),
  health_cmd: nullable(string()),
  health_interval_secs: nullable(number()),
  health_timeout_secs: nullable(number()),
  health_retries: nullable(number()),
  health_startup_grace_secs: nullable(number()),
  ttl_secs: nullable(number()),
  ttl_at: seconds,
  idle_timeout_secs: nullable(number()),
  idle_at: seconds,
  on_timeout: nullable(string()),
  pids_limit: nullable(number()),
  disk_bps: nullable(number()),
  created_at: nullable(number()),
  started_at: seconds,
  ready_at: seconds,
  ended_at: seconds,
  workload: nullable(workloadSchema),
});

export type MachineJson = Readonly<InferOutput<typeof machineJsonSchema>>;

const MIB = 1024 * 1024;

const toSeconds = (milliseconds: number | null | undefined): number | null =>
  milliseconds === null || milliseconds === undefined ? null : milliseconds / 1000;
const wholeSeconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

export function machineJson(info: MachineInfo): MachineJson {
  const { name, status, reason, record, state } = info;
  const alive = status === "running" || status === "starting" || status === "stopping";
  const health = record?.health;
  return {
    name,
    state: status,
    state_reason: reason,
    ephemeral: record?.ephemeral ?? false,
    pid: alive ? (state?.pid ?? null) : null,
    vmm_pid: alive ? (state?.vmmPid ?? null) : null,
    engine: state?.engine ?? record?.engine ?? null,
    cpus: record?.cpus ?? null,
    memory_mib: record?.memoryMib ?? null,
    memory_used_mib: info.memoryBytes === undefined ? null : Math.ceil(info.memoryBytes / MIB),
    storage_gb: record?.storageGib ?? null,
    overlay_gb: record?.overlayGib ?? null,
    image: record?.image ?? null,
    image_id: record?.imageId ?? null,
    entrypoint: record?.entrypoint ?? [],
    cmd: record?.cmd ?? [],
    workdir: record?.workdir ?? null,
    user: record?.user ?? null,
    init: record?.init ?? [],
    init_once: record?.initOnce ?? [],
    labels: record?.labels ?? {},
    network: false,
    mounts: 0,
    ports: 0,
    gpu: false,
    restart_policy: record?.restart.policy ?? null,
    restart_max_retries: record?.restart.maxRetries ?? null,
    restart_count: state?.restarts ?? 0,
    health: healthOf(state?.health),
    health_cmd: health ? health.command.join(" ") : null,
    health_interval_secs: toSeconds(health?.intervalMs),
    health_timeout_secs: toSeconds(health?.timeoutMs),
    health_retries: health?.retries ?? null,
    health_startup_grace_secs: toSeconds(health?.startupGraceMs),
    ttl_secs: toSeconds(record?.ttlMs),
    ttl_at: alive ? toSeconds(state?.ttlAt) : null,
    idle_timeout_secs: toSeconds(record?.idleTimeoutMs),
    idle_at: alive ? toSeconds(state?.idleAt) : null,
    on_timeout: record?.onTimeout ?? null,
    pids_limit: record?.pids ?? null,
    disk_bps: record?.diskBps ?? null,
    created_at: record === undefined ? null : wholeSeconds(record.createdAt),
    started_at: toSeconds(state?.startedAt),
    ready_at: toSeconds(state?.readyAt),
    ended_at: toSeconds(state?.endedAt),
    workload: workloadOf(state?.workload),
  };
}

type State = NonNullable<MachineInfo["state"]>;

function healthOf(health: State["health"] | undefined): MachineJson["health"] {
  if (health === null || health === undefined) return null;
  const { status, failures, output, at } = health;
  return { status, failures, output, checked_at: at / 1000 };
}

function workloadOf(workload: State["workload"] | undefined): MachineJson["workload"] {
  if (workload === null || workload === undefined) return null;
  const { argv, startedAt, end } = workload;
  return {
    command: argv,
    running: end === null,
    started_at: startedAt / 1000,
    ended_at: toSeconds(end?.at),
    exit_code: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    oom_killed: end?.outOfMemory ?? false,
  };
}

/** Everything about a machine, values of variables included: `machine inspect`. */
export function inspectionJson(info: MachineInfo): MachineJson & Record<string, unknown> {
  const { record } = info;
  return {
    ...machineJson(info),
    platform: record?.platform ?? null,
    env: record?.env ?? [],
    rlimits: record?.rlimits ?? [],
    reaper: record?.reaper ?? false,
    mitigations: record?.mitigations ?? false,
    initialized: record?.initialized ?? false,
    stop_signal: record?.stopSignal ?? null,
    stop_timeout_secs: toSeconds(record?.stopTimeoutMs),
    restart_max_backoff_secs: toSeconds(record?.restart.maxBackoffMs),
  };
}
