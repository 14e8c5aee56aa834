/** From what the program tells of machines and images to what callers see. */
import type { ImageDetails, ImageInfo, MachineInfo, MountInfo, NetworkPolicy } from "./types/index.ts";

interface ApiMachine {
  readonly name: string;
  readonly state: string;
  readonly stateReason?: string;
  readonly image?: string;
  readonly pid?: number;
  readonly cpus?: number;
  readonly memoryMb?: number;
  readonly storageGb?: number;
  readonly overlayGb?: number;
  readonly network: boolean;
  readonly allowedHosts?: readonly string[];
  readonly allowedCidrs?: readonly string[];
  readonly allowedPresets?: readonly string[];
  readonly mounts: readonly { kind: MountInfo["kind"]; source: string; target: string; readonly: boolean }[];
  readonly workload?: {
    readonly command: readonly string[];
    readonly running: boolean;
    readonly exitCode?: number;
    readonly signal?: number;
    readonly outOfMemory: boolean;
  };
  readonly ports: readonly { address: string; host: number; guest: number; protocol: "tcp" | "udp" }[];
  readonly env: readonly { name: string; value: string }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt?: number;
  readonly startedAt?: number;
}

/** Of `getMachine`. */
export function machineInfo(answer: unknown): MachineInfo {
  const machine = answer as ApiMachine;
  return {
    name: machine.name,
    status: machine.state,
    reason: machine.stateReason,
    image: machine.image,
    pid: machine.pid,
    cpus: machine.cpus ?? 0,
    memoryMiB: machine.memoryMb ?? 0,
    storageGiB: machine.storageGb ?? 0,
    overlayGiB: machine.overlayGb ?? 0,
    network: machine.network,
    networkPolicy: policyOf(machine),
    mounts: machine.mounts.map(({ readonly: readOnly, ...mount }) => ({ ...mount, readOnly })),
    workload: machine.workload && workloadOf(machine.workload),
    ports: machine.ports.map(({ address, ...port }) => ({ ...port, bind: address })),
    env: Object.fromEntries(machine.env.map(({ name, value }) => [name, value])),
    labels: machine.labels,
    createdAt: new Date((machine.createdAt ?? 0) * 1000),
    startedAt: machine.startedAt === undefined ? undefined : new Date(machine.startedAt * 1000),
  };
}

function policyOf(machine: ApiMachine): NetworkPolicy {
  const { allowedHosts: allowHosts, allowedCidrs: allowCidrs, allowedPresets: presets } = machine;
  const isListed = (allowHosts ?? allowCidrs ?? presets) !== undefined;
  return isListed ? { allowHosts, allowCidrs, presets } : machine.network;
}

function workloadOf({ command, running, outOfMemory, ...end }: NonNullable<ApiMachine["workload"]>) {
  const exitCode = end.signal === undefined ? end.exitCode : 128 + end.signal;
  return { command, running, exitCode, outOfMemory };
}

interface ApiImage {
  readonly id: string;
  readonly reference?: string;
  readonly digest?: string;
  readonly size: number;
  readonly os: string;
  readonly architecture: string;
}

export function imageInfo(answer: unknown): ImageInfo {
  const { id, reference, digest, size, os, architecture } = answer as ApiImage;
  return { id, reference, digest, sizeBytes: size, os, arch: architecture };
}

interface ApiImageDetails extends ApiImage {
  readonly layers: readonly { readonly diffId: string; readonly size: number }[];
  readonly config: Omit<ImageDetails["config"], "command" | "env"> & {
    readonly cmd: readonly string[];
    readonly env: readonly { name: string; value: string }[];
  };
}

/** Of `inspectImage`. */
export function imageDetails(answer: unknown): ImageDetails {
  const image = answer as ApiImageDetails;
  const {
    entrypoint,
    cmd: command,
    env: variables,
    workdir,
    user,
    labels,
    volumes,
    stopSignal,
  } = image.config;
  const env = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  return {
    ...imageInfo(image),
    layers: image.layers.map(({ diffId, size }) => ({ diffId, sizeBytes: size })),
    config: { entrypoint, command, env, workdir, user, labels, volumes, stopSignal },
  };
}
