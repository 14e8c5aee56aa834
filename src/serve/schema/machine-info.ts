/** A machine as the API tells about it. Keys that do not apply are left out; times are seconds since the epoch. */
import {
  array,
  boolean,
  type InferOutput,
  number,
  optional,
  picklist,
  record,
  strictObject,
  string,
} from "valibot";
import { hasProcess, isWorkloadRunning, type MachineInfo as Known, portsOf } from "../../machine/index.ts";
import { restartPolicies } from "../../machine/model/spec.ts";
import { machineStatuses } from "../../machine/model/status.ts";

const port = strictObject({
  address: string(),
  host: number(),
  guest: number(),
  protocol: picklist(["tcp", "udp"]),
});

const mount = strictObject({
  kind: picklist(["bind", "volume", "overlay"]),
  source: string(),
  target: string(),
  readonly: boolean(),
});

export const machineInfoSchema = strictObject({
  name: string(),
  state: picklist(machineStatuses),
  /** Why, for people. */
  stateReason: optional(string()),
  ephemeral: boolean(),
  cpus: optional(number()),
  memoryMb: optional(number()),
  /** Of the machine's process, while it runs. */
  pid: optional(number()),
  engine: optional(string()),
  image: optional(string()),
  imageId: optional(string()),
  entrypoint: optional(array(string())),
  cmd: optional(array(string())),
  env: array(strictObject({ name: string(), value: string() })),
  workdir: optional(string()),
  user: optional(string()),
  init: array(string()),
  initOnce: array(string()),
  labels: record(string(), string()),
  mounts: array(mount),
  tmpfs: array(strictObject({ target: string(), sizeBytes: optional(number()) })),
  ports: array(port),
  network: boolean(),
  networkBackend: optional(picklist(["virtio-net"])),
  allowedHosts: optional(array(string())),
  allowedCidrs: optional(array(string())),
  allowedPresets: optional(array(string())),
  gpu: boolean(),
  /** MiB; only with a GPU. */
  gpuVramMb: optional(number()),
  storageGb: optional(number()),
  overlayGb: optional(number()),
  restart: optional(
    strictObject({
      policy: picklist(restartPolicies),
      maxRetries: number(),
      maxBackoffSecs: number(),
      /** How often it has been started again. */
      count: number(),
    }),
  ),
  health: optional(
    strictObject({
      command: array(string()),
      intervalSecs: number(),
      timeoutSecs: number(),
      retries: number(),
      startupGraceSecs: number(),
      status: optional(picklist(["starting", "healthy", "unhealthy"])),
      failures: optional(number()),
      output: optional(string()),
      checkedAt: optional(number()),
    }),
  ),
  ttlSecs: optional(number()),
  idleTimeoutSecs: optional(number()),
  onTimeout: optional(picklist(["stop", "delete"])),
  /** What the VMM has of the host's memory now. */
  rssMb: optional(number()),
  workload: optional(
    strictObject({
      command: array(string()),
      running: boolean(),
      startedAt: number(),
      endedAt: optional(number()),
      exitCode: optional(number()),
      signal: optional(number()),
      outOfMemory: boolean(),
    }),
  ),
  createdAt: optional(number()),
  startedAt: optional(number()),
  readyAt: optional(number()),
  endedAt: optional(number()),
});

export type MachineInfo = InferOutput<typeof machineInfoSchema>;

const MIB = 1024 * 1024;

const seconds = (milliseconds: number | null | undefined): number | undefined =>
  typeof milliseconds === "number" ? milliseconds / 1000 : undefined;

export function machineInfo(known: Known): MachineInfo {
  const { name, status, reason, record, state } = known;
  const alive = hasProcess(status);
  const network = record?.network;
  const isListed = network?.egress === "list";
  return {
    name,
    state: status,
    stateReason: reason || undefined,
    ephemeral: record?.ephemeral ?? false,
    cpus: record?.cpus,
    memoryMb: record?.memoryMib,
    pid: alive ? state?.pid : undefined,
    engine: (alive ? state?.engine : undefined) ?? record?.engine ?? undefined,
    image: record?.image ?? undefined,
    imageId: record?.imageId ?? undefined,
    entrypoint: record?.entrypoint ?? undefined,
    cmd: record === undefined || record.cmd.length === 0 ? undefined : record.cmd,
    env: (record?.env ?? []).map(variableOf),
    workdir: record?.workdir ?? undefined,
    user: record?.user ?? undefined,
    init: record?.init ?? [],
    initOnce: record?.initOnce ?? [],
    labels: record?.labels ?? {},
    mounts: (record?.volumes ?? []).map(({ kind, source, target, readOnly }) => ({
      ...{ kind, source, target },
      readonly: readOnly,
    })),
    tmpfs: (record?.tmpfs ?? []).map(({ target, sizeBytes }) => ({
      target,
      sizeBytes: sizeBytes ?? undefined,
    })),
    ports: portsOf(known).map(({ address, host, guest, protocol }) => ({ address, host, guest, protocol })),
    network: network !== null && network !== undefined,
    networkBackend: record !== undefined && (network || record.ports.length > 0) ? "virtio-net" : undefined,
    allowedHosts: isListed ? network.allowHosts : undefined,
    allowedCidrs: isListed ? network.allowRanges : undefined,
    allowedPresets: isListed ? network.allowPresets : undefined,
    gpu: record?.gpu ?? false,
    gpuVramMb: record?.gpu ? record.gpuVramMib : undefined,
    storageGb: record?.storageGib,
    overlayGb: record?.overlayGib,
    restart: record && {
      policy: record.restart.policy,
      maxRetries: record.restart.maxRetries,
      maxBackoffSecs: record.restart.maxBackoffMs / 1000,
      count: state?.restarts ?? 0,
    },
    health: healthOf(known),
    ttlSecs: seconds(record?.ttlMs),
    idleTimeoutSecs: seconds(record?.idleTimeoutMs),
    onTimeout: record?.onTimeout,
    rssMb: known.memoryBytes === undefined ? undefined : Math.ceil(known.memoryBytes / MIB),
    workload: workloadOf(known),
    createdAt: record && Math.floor(record.createdAt / 1000),
    startedAt: seconds(state?.startedAt),
    readyAt: seconds(state?.readyAt),
    endedAt: seconds(state?.endedAt),
  };
}

export function variableOf(entry: string) {
  const end = entry.indexOf("=");
  return { name: entry.slice(0, end), value: entry.slice(end + 1) };
}

function healthOf({ record, state }: Known): MachineInfo["health"] {
  const spec = record?.health;
  if (spec === null || spec === undefined) return undefined;
  const known = state?.health;
  return {
    command: spec.command,
    intervalSecs: spec.intervalMs / 1000,
    timeoutSecs: spec.timeoutMs / 1000,
    retries: spec.retries,
    startupGraceSecs: spec.startupGraceMs / 1000,
    status: known?.status,
    failures: known?.failures,
    output: known?.output,
    checkedAt: seconds(known?.at),
  };
}

function workloadOf(known: Known): MachineInfo["workload"] {
  const workload = known.state?.workload;
  if (workload === null || workload === undefined) return undefined;
  const { argv, startedAt, end } = workload;
  return {
    command: argv,
    running: isWorkloadRunning(known),
    startedAt: startedAt / 1000,
    endedAt: seconds(end?.at),
    exitCode: end?.exitCode ?? undefined,
    signal: end?.signal ?? undefined,
    outOfMemory: end?.outOfMemory ?? false,
  };
}
