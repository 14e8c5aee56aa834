/**
 * What a machine is: the one schema from which its record, the changes of `update`, summaries and JSON come. A field
 * that is added here has to be given a value by everything that describes a machine, or the compiler complains.
 */
import {
  array,
  boolean,
  type InferOutput,
  integer,
  maxLength,
  maxValue,
  minValue,
  nullable,
  number,
  object,
  picklist,
  pipe,
  record,
  safeInteger,
} from "valibot";
import { engineNames } from "../../engine/types.ts";
import { lentFields } from "./lent-schema.ts";
import { networkSchema, portsSchema } from "./network-schema.ts";
import { MAX_ENTRIES, text, texts } from "./parts-schema.ts";

const count = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  pipe(number(), integer(), minValue(least), maxValue(most));

export const restartPolicies = ["never", "always", "on-failure", "unless-stopped"] as const;
export type RestartPolicy = (typeof restartPolicies)[number];

/** When the machine, or its workload, is started again after it has ended by itself. */
export const restartSchema = object({
  policy: picklist(restartPolicies),
  /** In a row; 0: without a limit. */
  maxRetries: count(0),
  /** The pause doubles from one second up to this. */
  maxBackoffMs: count(1000),
});

/** How it is found out whether the workload is well. */
export const healthSchema = object({
  /** Program and arguments, run in the workload's view; exit code 0 is healthy. */
  command: pipe(array(text), maxLength(MAX_ENTRIES)),
  intervalMs: count(100),
  timeoutMs: count(100),
  /** Failures in a row that make it unhealthy. */
  retries: count(1),
  /** Failures in the first time after a start do not count. */
  startupGraceMs: count(0),
});

/** A limit of setrlimit(2); -1 is unlimited. */
const limitSchema = object({
  name: text,
  soft: pipe(number(), safeInteger()),
  hard: pipe(number(), safeInteger()),
});

/** Volumes and filesystems in memory that one machine may have. */
export const MAX_MOUNTS = 64;

/** Something of the host at a path of the guest. */
const volumeSchema = object({
  /**
   * `bind`: a directory or file of the host. `volume`: one of smolvm's own directories, by its name. `overlay`: a
   * directory of the host, which the guest changes without changing it: a workspace.
   */
  kind: picklist(["bind", "volume", "overlay"]),
  /** Absolute path, or name. */
  source: text,
  /** Absolute path in the guest. */
  target: text,
  readOnly: boolean(),
});

/** A filesystem in the guest's memory. */
const tmpfsSchema = object({
  target: text,
  /** Null: half of the memory. */
  sizeBytes: nullable(count(4096)),
  /** Permission bits. */
  mode: count(0, 0o7777),
  /** Programs on it can be run. */
  exec: boolean(),
});

/** 16 TiB each, as options and Smolfiles have it: an ext4 of the host has no larger file, and no processor so much memory. */
const MAX_DISK_GIB = 16_384;
const MAX_MEMORY_MIB = 16_777_216;

export const specSchema = object({
  name: text,
  /** It lives as long as the command that made it, and leaves nothing behind. */
  ephemeral: boolean(),
  /** Null: the best one that works, at each start. */
  engine: nullable(picklist(engineNames)),
  cpus: count(1, 255),
  memoryMib: count(64, MAX_MEMORY_MIB),
  storageGib: count(1, MAX_DISK_GIB),
  overlayGib: count(1, MAX_DISK_GIB),
  /** The guest's kernel mitigates the processor's faults, which one tenant does not need. */
  mitigations: boolean(),
  /** It has a GPU, of the host's. */
  gpu: boolean(),
  /** What the GPU may take of the host's memory; without `gpu` it has no effect. */
  gpuVramMib: count(1, MAX_MEMORY_MIB),
  /** As the user gave it; null: the built-in one, and the machine is "bare". */
  image: nullable(text),
  /** `sha256:<hex>`; null: the built-in one, or not resolved yet. */
  imageId: nullable(text),
  /** `os/arch[/variant]` that was asked for. */
  platform: nullable(text),
  /** Replaces the image's ENTRYPOINT, and drops its CMD; null: the image's. */
  entrypoint: nullable(texts),
  /** Words that replace the image's CMD; empty: the image's. */
  cmd: texts,
  /** `NAME=value`. Lies on the disk as it is, unless the machine is a throw-away one. */
  env: texts,
  workdir: nullable(text),
  user: nullable(text),
  rlimits: pipe(array(limitSchema), maxLength(16)),
  /** A small init is the workload's parent. */
  reaper: boolean(),
  /** Shell commands at each start, before the workload; and only at the first one. */
  init: texts,
  initOnce: texts,
  labels: record(text, text),
  restart: restartSchema,
  health: nullable(healthSchema),
  /** Milliseconds from each start after which it ends by itself; null: never. */
  ttlMs: nullable(count(1)),
  /** Milliseconds without a command or a byte moved after which it ends by itself; null: never. */
  idleTimeoutMs: nullable(count(1)),
  /** What the end by itself is. */
  onTimeout: picklist(["stop", "delete"]),
  /** As in an image (`SIGQUIT`); null: the image's, else SIGTERM. */
  stopSignal: nullable(text),
  /** How long the workload may take to end after it. */
  stopTimeoutMs: count(0),
  /** Most processes at once; null: what the memory suggests. */
  pids: nullable(count(1)),
  /** Bytes a second that its disks may read, and write; null: unlimited. */
  diskBps: nullable(count(1)),
  /** Null: the machine has no network card, unless ports are published. */
  network: nullable(networkSchema),
  ports: portsSchema,
  ...lentFields,
  volumes: pipe(array(volumeSchema), maxLength(MAX_MOUNTS)),
  tmpfs: pipe(array(tmpfsSchema), maxLength(MAX_MOUNTS)),
});

/** See the schema for each field. */
export type MachineSpec = Readonly<InferOutput<typeof specSchema>>;
export type { NetworkSpec, PortSpec } from "./network-schema.ts";
export type RestartSpec = Readonly<InferOutput<typeof restartSchema>>;
export type Volume = Readonly<InferOutput<typeof volumeSchema>>;
export type Tmpfs = Readonly<InferOutput<typeof tmpfsSchema>>;
export type HealthSpec = Readonly<InferOutput<typeof healthSchema>>;
