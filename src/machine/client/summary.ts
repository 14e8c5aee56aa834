/** A machine as JSON; summary-schema.ts says what the keys are. */

import { type MachineState, mountCount, type NetworkSpec } from "../model/index.ts";
import { hasProcess, isWorkloadRunning, type MachineInfo, portsOf } from "./info.ts";
import type { MachineJson } from "./summary-schema.ts";

export type { MachineJson };

const MIB = 1024 * 1024;

const toSeconds = (milliseconds: number | null | undefined): number | null =>
  milliseconds === null || milliseconds === undefined ? null : milliseconds / 1000;
const wholeSeconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

function confinementOf(told: MachineState["confinement"]): MachineJson["confinement"] {
  if (told === undefined) return null;
  const shown = <Of extends { name: string; inForce: boolean; detail: string }>(of: Of) => {
    return { name: of.name, in_force: of.inForce, detail: of.detail };
  };
  const { mode, layers, processes = [] } = told;
  return { mode, layers: layers.map(shown), processes: processes.map(shown) };
}

export function machineJson(info: MachineInfo): MachineJson {
  const { name, status, reason, record, state } = info;
  const alive = hasProcess(status);
  const health = record?.health;
  return {
    name,
    state: status,
    state_reason: reason,
    ephemeral: record?.ephemeral ?? false,
    pid: alive ? (state?.pid ?? null) : null,
    vmm_pid: alive ? (state?.vmmPid ?? null) : null,
    engine: state?.engine ?? record?.engine ?? null,
    confinement: alive ? confinementOf(state?.confinement) : null,
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
    network: record !== undefined && (record.network !== null || record.ports.length > 0),
    ports: record?.ports.length ?? 0,
    published: portsOf(info).map(({ address, host, guest, protocol }) => ({
      ...{ address, host_port: host, guest_port: guest, protocol },
    })),
    network_policy: policyOf(record?.network),
    mounts: record ? mountCount(record) : 0,
    volumes: (record?.volumes ?? []).map(({ kind, source, target, readOnly }) => ({
      ...{ kind, source, target },
      read_only: readOnly,
    })),
    tmpfs: (record?.tmpfs ?? []).map(({ target, sizeBytes, mode }) => ({
      target,
      size_bytes: sizeBytes,
      mode: mode.toString(8).padStart(4, "0"),
    })),
    gpu: record?.gpu ?? false,
    gpu_vram_mib: record?.gpu ? record.gpuVramMib : null,
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
    workload: workloadOf(info),
  };
}

function policyOf(network: NetworkSpec | null | undefined): MachineJson["network_policy"] {
  if (network === null || network === undefined) return null;
  return {
    egress: network.egress,
    allow_hosts: network.allowHosts,
    allow_cidrs: network.allowRanges,
    allow_presets: network.allowPresets,
    host_loopback: network.hostLoopback,
    sni_check: network.checkServerName,
    dns: network.dns,
    add_hosts: network.addHosts,
    proxy_env: network.proxyEnv,
    named_network: network.join,
  };
}

type State = NonNullable<MachineInfo["state"]>;

function healthOf(health: State["health"] | undefined): MachineJson["health"] {
  if (health === null || health === undefined) return null;
  const { status, failures, output, at } = health;
  return { status, failures, output, checked_at: at / 1000 };
}

function workloadOf(info: MachineInfo): MachineJson["workload"] {
  const workload = info.state?.workload;
  if (workload === null || workload === undefined) return null;
  const { argv, startedAt, end } = workload;
  return {
    command: argv,
    running: isWorkloadRunning(info),
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
    secrets: (record?.secrets ?? []).map(({ name, from, source }) => ({ name, [`from_${from}`]: source })),
    ssh_agent: record?.sshAgent ?? false,
    ssh_agent_keys: record?.sshAgentKeys ?? [],
    mount_sockets: record?.mountSockets ?? [],
    expose_sockets: record?.exposeSockets ?? [],
  };
}
