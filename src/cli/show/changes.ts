import type { SettingChange } from "../../machine/index.ts";
import { oneLine } from "../output.ts";

/** As scripts know the settings whose names say more than theirs. */
const NAMES: Readonly<Partial<Record<SettingChange["setting"], string>>> = {
  memoryMib: "memory (MiB)",
  storageGib: "storage (GiB)",
  overlayGib: "overlay (GiB)",
  ttlMs: "ttl (ms)",
  idleTimeoutMs: "idle timeout (ms)",
  onTimeout: "on timeout",
  stopSignal: "stop signal",
  stopTimeoutMs: "stop timeout (ms)",
  diskBps: "disk bandwidth (bytes/s)",
};

/** What `machine update` prints. Values of variables are not repeated: they may be secrets. */
export function formatChanges(name: string, changes: readonly SettingChange[]): string {
  if (changes.length === 0) return "No changes specified.\n";
  const lines = changes.map((change) => `  ${NAMES[change.setting] ?? change.setting}: ${describe(change)}`);
  return [
    `Updated machine '${name}':`,
    ...lines,
    `Changes take effect at the next start: smolvm machine start --name ${name}`,
    "",
  ].join("\n");
}

function describe({ setting, before, after }: SettingChange): string {
  if (setting === "env") return namesOf(after as readonly string[]);
  return `${show(before)} → ${show(after)}`;
}

const namesOf = (env: readonly string[]): string =>
  env.length === 0 ? "none" : env.map((entry) => entry.split("=", 1)[0]).join(", ");

function show(value: unknown): string {
  if (value === null) return "none";
  return oneLine(typeof value === "string" ? value : JSON.stringify(value));
}
