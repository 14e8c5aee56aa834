import type { MachineSpec, SettingChange } from "../../machine/index.ts";
import { oneLine } from "../output.ts";
import { formatNetwork, formatPort } from "./network.ts";

type Setting = keyof MachineSpec;

/** As options and scripts know the settings whose names say something else. */
const NAMES: Readonly<Partial<Record<Setting, string>>> = {
  memoryMib: "memory",
  storageGib: "storage",
  overlayGib: "overlay",
  rlimits: "ulimits",
  ttlMs: "ttl",
  idleTimeoutMs: "idle timeout",
  onTimeout: "on timeout",
  stopSignal: "stop signal",
  stopTimeoutMs: "stop timeout",
  pids: "processes",
  diskBps: "disk bandwidth",
  sshAgent: "SSH agent",
  sshAgentKeys: "SSH keys",
  mountSockets: "mounted sockets",
  exposeSockets: "exposed sockets",
};

type Formats = { readonly [K in Setting]?: (value: NonNullable<MachineSpec[K]>) => string };

const span = (milliseconds: number): string => `${milliseconds / 1000} s`;
const gib = (size: number): string => `${size} GiB`;

/** What is not a plain text, number or list. */
const FORMATS: Formats = {
  memoryMib: (size) => `${size} MiB`,
  storageGib: gib,
  overlayGib: gib,
  ttlMs: span,
  idleTimeoutMs: span,
  stopTimeoutMs: span,
  diskBps: (bytes) => `${bytes} bytes/s`,
  // Values of variables are not repeated: they may be secrets.
  env: (entries) => entries.map((entry) => entry.split("=", 1)[0]).join(", "),
  labels: (labels) => listOf(Object.entries(labels).map(([name, value]) => `${name}=${value}`)),
  rlimits: (limits) => listOf(limits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`)),
  network: formatNetwork,
  ports: (ports) => listOf(ports.map(formatPort)),
  restart: ({ policy, maxRetries, maxBackoffMs }) =>
    `${policy}${maxRetries === 0 ? "" : `:${maxRetries}`}, backoff up to ${span(maxBackoffMs)}`,
  secrets: (secrets) => listOf(secrets.map(({ name, from, source }) => `${name} from ${from} ${source}`)),
  sshAgentKeys: (keys) => listOf(keys),
  mountSockets: (sockets) => listOf(sockets.map(({ host, guest }) => `${host}:${guest}`)),
  exposeSockets: (sockets) =>
    listOf(sockets.map(({ guest, host }) => (host === null ? guest : `${guest}:${host}`))),
  health: ({ command, intervalMs, timeoutMs, retries, startupGraceMs }) =>
    `${JSON.stringify(command)} every ${span(intervalMs)}, timeout ${span(timeoutMs)}, ` +
    `retries ${retries}, grace ${span(startupGraceMs)}`,
};

const listOf = (texts: readonly string[]): string => texts.join(", ");

/** What `machine update` prints. */
export function formatChanges(name: string, changes: readonly SettingChange[], live = false): string {
  const lines = changes.map((change) => `  ${NAMES[change.setting] ?? change.setting}: ${describe(change)}`);
  return [
    `Updated machine '${name}':`,
    ...lines,
    live
      ? "Changes have taken effect"
      : `Changes take effect at the next start: smolvm machine start --name ${name}`,
    "",
  ].join("\n");
}

function describe({ setting, before, after }: SettingChange): string {
  const now = format(setting, after);
  return setting === "env" ? now : `${format(setting, before)} → ${now}`;
}

function format(setting: Setting, value: unknown): string {
  if (value === null) return "none";
  const special = FORMATS[setting] as ((value: unknown) => string) | undefined;
  const text = special?.(value) ?? (typeof value === "object" ? JSON.stringify(value) : String(value));
  return text === "" || text === "[]" ? "none" : oneLine(text);
}
