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
import { machineStatuses } from "../model/status.ts";

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

const portSchema = object({
  address: string(),
  host_port: number(),
  guest_port: number(),
  protocol: picklist(["tcp", "udp"]),
});

const policySchema = object({
  egress: picklist(["none", "all", "list"]),
  allow_hosts: array(string()),
  allow_cidrs: array(string()),
  allow_presets: array(string()),
  host_loopback: boolean(),
  sni_check: boolean(),
  dns: array(string()),
  add_hosts: array(string()),
  proxy_env: boolean(),
  named_network: nullable(string()),
});

const confinementSchema = object({
  mode: string(),
  /** Of the VMM. */
  layers: array(object({ name: string(), in_force: boolean(), detail: string() })),
  /** The machine's process and the server of its folders; empty: an older version runs it. */
  processes: array(object({ name: string(), in_force: boolean(), detail: string() })),
});

/** Null stands for what does not apply, or is not known of a machine whose record cannot be read. */
export const machineJsonSchema = object({
  name: string(),
  state: picklist(machineStatuses),
  state_reason: string(),
  ephemeral: boolean(),
  /** Of the machine's process and of its VMM, while it runs. */
  pid: nullable(number()),
  vmm_pid: nullable(number()),
  engine: nullable(string()),
  /** How the machine's processes are confined; null: it does not run, or an older version runs it. */
  confinement: nullable(confinementSchema),
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
  volumes: array(
    object({
      kind: picklist(["bind", "volume", "overlay"]),
      source: string(),
      target: string(),
      read_only: boolean(),
    }),
  ),
  tmpfs: array(object({ target: string(), size_bytes: nullable(number()), mode: string() })),
  ports: number(),
  /** What `ports` counts; a port 0 of a running machine is the one that was free. */
  published: array(portSchema),
  /** Null: it has no network, or only what is published. */
  network_policy: nullable(policySchema),
  gpu: boolean(),
  /** Null: it has no GPU. */
  gpu_vram_mib: nullable(number()),
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
