/** The names of what callers may write; the program has others for some of them. */
import { nearest } from "../../src/values/nearest.ts";
import { errorOf, InvalidConfigError } from "./errors.ts";
import type {
  ConnectOptions,
  CreateOptions,
  ExecOptions,
  GpuInput,
  HealthCheck,
  MachineUpdate,
  MountInput,
  NetworkPolicy,
  PortInput,
  SpawnOptions,
} from "./types/index.ts";

/** All of them: a name that a type gets or loses is an error here. */
type Names<T> = Readonly<Record<keyof Required<T>, true>>;

export const CREATE_OPTIONS: Names<CreateOptions> = {
  ...{ name: true, image: true, from: true, smolfile: true, entrypoint: true, command: true },
  ...{ cpus: true, memoryMiB: true, storageGiB: true, overlayGiB: true, gpu: true },
  ...{ network: true, ports: true, mounts: true, env: true, secrets: true, workdir: true, user: true },
  ...{ init: true, sshAgent: true, health: true, labels: true, ttlMs: true, idleMs: true },
  ...{ start: true, startTimeoutMs: true, detached: true, onDispose: true, hooks: true },
  ...{ onProgress: true, signal: true, timeoutMs: true },
};

export const UPDATE_OPTIONS: Names<MachineUpdate> = {
  ...{ cpus: true, memoryMiB: true, storageGiB: true, overlayGiB: true, gpu: true, network: true },
  ...{ addPorts: true, removePorts: true, addMounts: true, removeMounts: true },
  ...{ env: true, removeEnv: true, workdir: true },
};

export const CONNECT_OPTIONS: Names<ConnectOptions> = {
  ...{ start: true, startTimeoutMs: true, onDispose: true, hooks: true },
  ...{ signal: true, timeoutMs: true },
};

export const EXEC_OPTIONS: Names<ExecOptions> = {
  ...{ env: true, secrets: true, workdir: true, user: true, stdin: true, check: true },
  ...{ onStdout: true, onStderr: true, maxOutputBytes: true, signal: true, timeoutMs: true },
};

export const SPAWN_OPTIONS: Names<SpawnOptions> = {
  ...{ env: true, secrets: true, workdir: true, user: true, tty: true, detached: true },
  ...{ signal: true, timeoutMs: true },
};

export const NETWORK_OPTIONS: Names<Extract<NetworkPolicy, object>> = {
  ...{ allowHosts: true, allowCidrs: true, presets: true, dns: true, hostLoopback: true },
};

export const GPU_OPTIONS: Names<Extract<GpuInput, object>> = { vramMiB: true };

export const PORT_OPTIONS: Names<Extract<PortInput, object>> = {
  ...{ guest: true, host: true, protocol: true, bind: true },
};

export const MOUNT_OPTIONS: Names<Extract<MountInput, object>> = {
  ...{ source: true, target: true, readOnly: true, overlay: true },
};

export const HEALTH_OPTIONS: Names<HealthCheck> = {
  ...{ exec: true, intervalMs: true, timeoutMs: true, retries: true, startupGraceMs: true },
};

/**
 * Refuses what nobody would look at. Values that are undefined are left out.
 *
 * @param where the option whose fields these are; undefined: they are the options
 * @throws InvalidConfigError that names the field, and the one that was probably meant
 */
export function checkNames(given: object, names: Readonly<Record<string, true>>, where?: string): void {
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(names, key)) continue;
    const field = where === undefined ? key : `${where}.${key}`;
    const close = nearest(key, Object.keys(names));
    throw errorOf({
      code: "sdk.bad_request",
      message: `${field}: there is no such option${close === undefined ? "" : `; did you mean ${close}?`}`,
      details: { field },
    });
  }
}

const ofNetwork = (rule: keyof typeof NETWORK_OPTIONS) => `network.${rule}`;

/** Options by what the program calls them, in whose words it refuses a value. */
const OPTIONS: Readonly<Record<string, string>> = {
  memoryMb: "memoryMiB",
  storageGb: "storageGiB",
  overlayGb: "overlayGiB",
  gpuVramMb: "gpu.vramMiB",
  cmd: "command",
  allowedHosts: ofNetwork("allowHosts"),
  allowedCidrs: ofNetwork("allowCidrs"),
  allowedPresets: ofNetwork("presets"),
  dns: ofNetwork("dns"),
  hostLoopback: ofNetwork("hostLoopback"),
  ttlSecs: "ttlMs (in seconds)",
  idleTimeoutSecs: "idleMs (in seconds)",
  "health.command": "health.exec",
  "health.intervalSecs": "health.intervalMs (in seconds)",
  "health.timeoutSecs": "health.timeoutMs (in seconds)",
  "health.startupGraceSecs": "health.startupGraceMs (in seconds)",
};

/** What the program answers; it refuses a value under the name that its caller wrote. @throws what `answer` rejects with */
export async function inCallersWords<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof InvalidConfigError ? renamed(error) : error;
  }
}

function renamed(error: InvalidConfigError): Error {
  const { code, hint, details, cause } = error;
  // A server takes the description as a field of its request.
  const message = error.message.replace(/^machine\./, "");
  const found = Object.entries(OPTIONS).find(
    ([name]) => message.startsWith(`${name}:`) || message.startsWith(`${name}.`),
  );
  const [name, option] = found ?? ["", ""];
  return errorOf({ code, message: `${option}${message.slice(name.length)}`, hint, details, cause });
}
