/** From what callers write to what the program is asked. */
import { resolve } from "node:path";
import { errorOf } from "./errors.ts";
import {
  CREATE_OPTIONS,
  checkNames,
  GPU_OPTIONS,
  HEALTH_OPTIONS,
  MOUNT_OPTIONS,
  NETWORK_OPTIONS,
  PORT_OPTIONS,
  UPDATE_OPTIONS,
} from "./options.ts";
import type { SecretSource } from "./transport/types.ts";
import type {
  Env,
  GpuInput,
  MachineOptions,
  MachineUpdate,
  MountInput,
  NetworkPolicy,
  PortInput,
  SecretRef,
} from "./types/index.ts";

const invalid = (field: string, message: string) =>
  errorOf({ code: "sdk.bad_request", message: `${field}: ${message}`, details: { field } });

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @throws InvalidConfigError */
export function variablesOf(env: Env | undefined): { name: string; value: string }[] | undefined {
  if (env === undefined) return undefined;
  const given: { name: string; value: string }[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!VARIABLE.test(name)) throw invalid("env", `${JSON.stringify(name)} is no name of a variable`);
    if (value === undefined) continue;
    if (value.includes("\0")) throw invalid("env", `the value of ${name} has a NUL character`);
    given.push({ name, value });
  }
  return given;
}

/** `NAME=value`. */
export const environmentOf = (env: Env | undefined): string[] | undefined =>
  variablesOf(env)?.map(({ name, value }) => `${name}=${value}`);

export function secretsOf(
  secrets: Readonly<Record<string, SecretRef>> | undefined,
): SecretSource[] | undefined {
  if (secrets === undefined) return undefined;
  return Object.entries(secrets).map(([name, ref]) =>
    "fromEnv" in ref ? { name, env: ref.fromEnv } : { name, file: resolve(ref.fromFile) },
  );
}

/** @throws InvalidConfigError */
export function portOf(input: PortInput): {
  host: number;
  guest: number;
  address?: string | undefined;
  protocol?: "tcp" | "udp" | undefined;
} {
  if (typeof input === "number") return { host: 0, guest: input };
  if (typeof input === "string") {
    const [host, guest, ...rest] = input.split(":").map(Number);
    if (host === undefined || guest === undefined || rest.length > 0 || Number.isNaN(host + guest))
      throw invalid("ports", `${JSON.stringify(input)} is not HOST:GUEST`);
    return { host, guest };
  }
  checkNames(input, PORT_OPTIONS, "ports");
  return { host: input.host ?? 0, guest: input.guest, address: input.bind, protocol: input.protocol };
}

/** A source that has a slash or is a lone dot is a path of this host; else it names a volume. */
function mountOf(input: MountInput) {
  if (typeof input !== "string") {
    const { source, target, readOnly, overlay } = input;
    if (typeof source !== "string") throw invalid("mounts", `${JSON.stringify(input)} has no source`);
    checkNames(input, MOUNT_OPTIONS, "mounts");
    return { source: sourceOf(source), target, readonly: readOnly, overlay };
  }
  const [source = "", target = "", mode, ...rest] = input.split(":");
  const isKnown = mode === undefined || mode === "ro" || mode === "rw" || mode === "overlay";
  if (source === "" || target === "" || rest.length > 0 || !isKnown)
    throw invalid("mounts", `${JSON.stringify(input)} is not SOURCE:TARGET[:ro|rw|overlay]`);
  return {
    source: sourceOf(source),
    target,
    readonly: mode === "ro" || undefined,
    overlay: mode === "overlay" || undefined,
  };
}

const sourceOf = (source: string) => (source.includes("/") || source === "." ? resolve(source) : source);

function networkOf(policy: NetworkPolicy | undefined) {
  if (policy === undefined) return {};
  if (typeof policy === "boolean") return { network: policy };
  if (typeof policy !== "object") throw invalid("network", "must be true, false or an object of rules");
  checkNames(policy, NETWORK_OPTIONS, "network");
  const { allowHosts, allowCidrs, presets, dns, hostLoopback } = policy;
  return {
    network: true,
    allowedHosts: allowHosts,
    allowedCidrs: allowCidrs,
    allowedPresets: presets,
    dns,
    hostLoopback,
  };
}

function gpuOf(gpu: GpuInput | undefined): { gpu?: boolean | undefined; gpuVramMb?: number | undefined } {
  if (typeof gpu !== "object") return { gpu };
  if (gpu === null) throw invalid("gpu", "must be true, false or an object");
  checkNames(gpu, GPU_OPTIONS, "gpu");
  return { gpu: true, gpuVramMb: gpu.vramMiB };
}

const secondsOf = (milliseconds: number | undefined) =>
  milliseconds === undefined ? undefined : milliseconds / 1000;

/** The body of `createMachine`. @throws InvalidConfigError */
export function machineBody(options: MachineOptions): Record<string, unknown> {
  checkNames(options, CREATE_OPTIONS);
  const { image, from, health } = options;
  if (health) checkNames(health, HEALTH_OPTIONS, "health");
  return {
    name: options.name,
    image: imageOf(image),
    from: from === undefined ? undefined : resolve(from),
    entrypoint: options.entrypoint,
    cmd: options.command,
    cpus: options.cpus,
    memoryMb: options.memoryMiB,
    storageGb: options.storageGiB,
    overlayGb: options.overlayGiB,
    ...gpuOf(options.gpu),
    ...networkOf(options.network),
    ports: options.ports?.map(portOf),
    mounts: options.mounts?.map(mountOf),
    env: variablesOf(options.env),
    workdir: options.workdir,
    user: options.user,
    init: options.init,
    labels: options.labels,
    health: health && {
      command: health.exec,
      intervalSecs: secondsOf(health.intervalMs),
      timeoutSecs: secondsOf(health.timeoutMs),
      retries: health.retries,
      startupGraceSecs: secondsOf(health.startupGraceMs),
    },
    ttlSecs: secondsOf(options.ttlMs),
    idleTimeoutSecs: secondsOf(options.idleMs),
  };
}

/** A path is this program's; the child has another working directory. */
function imageOf(image: MachineOptions["image"]): string | undefined {
  if (typeof image === "object") return "path" in image ? resolve(image.path) : image.reference;
  return image?.startsWith("./") || image?.startsWith("../") ? resolve(image) : image;
}

/** The body of `updateMachine`. @throws InvalidConfigError */
export function updateBody(changes: MachineUpdate): Record<string, unknown> {
  checkNames(changes, UPDATE_OPTIONS);
  return {
    cpus: changes.cpus,
    memoryMb: changes.memoryMiB,
    storageGb: changes.storageGiB,
    overlayGb: changes.overlayGiB,
    ...gpuOf(changes.gpu),
    ...networkOf(changes.network),
    ports: changes.addPorts?.map(portOf),
    mounts: changes.addMounts?.map(mountOf),
    env: variablesOf(changes.env),
    workdir: changes.workdir,
    remove: {
      ports: changes.removePorts?.map(portOf),
      mounts: changes.removeMounts,
      env: changes.removeEnv,
    },
  };
}
