import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { AllowedPath } from "../../../confine/index.ts";
import type { VolumeRequest } from "../../../files/request.ts";

/** What the runtime reads when it starts: of itself, of processors, of limits. */
const RUNTIME = [
  ...[
    "/proc/self",
    "/proc/sys/vm",
    "/proc/sys/fs/inotify",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm",
    "/sys/fs/cgroup",
  ],
  ...["/etc/localtime", "/usr/share/zoneinfo"],
];

/**
 * What the server of files opens by name, beside libraries: the folders of its machine, and nothing else of the user's.
 * Run from source it is a file of this checkout.
 */
export function serverPaths(volumes: readonly VolumeRequest[]): AllowedPath[] {
  return [...runtimePaths(), ...volumes.flatMap(volumePaths)];
}

/** What the runtime of each of our processes opens, beside libraries. */
export function runtimePaths(): AllowedPath[] {
  return [
    ...RUNTIME.map((path): AllowedPath => ({ path, rights: "share", optional: true })),
    ...sourcePaths(),
  ];
}

const sourcePaths = (): AllowedPath[] =>
  Bun.isStandaloneExecutable ? [] : [{ path: `${import.meta.dir}/../../../..`, rights: "share" }];

/** One that is gone is missed when it is opened, in words that its user understands. */
function volumePaths({ path, readOnly, workspace }: VolumeRequest): AllowedPath[] {
  const keeps = readOnly || workspace !== undefined;
  const folder: AllowedPath = { path, rights: keeps ? "share" : "writableShare", optional: true };
  if (workspace === undefined) return [folder];
  // A workspace appears complete: it is made beside its place.
  const place = dirname(workspace);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  return [folder, { path: place, rights: "writableShare" }];
}
