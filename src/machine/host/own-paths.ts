import type { AllowedPath } from "../../confine/index.ts";
import { systemLibraries } from "../../engine/program.ts";
import type { StartOrder } from "../plan/index.ts";
import { dataDirectory, machineDirectory, namedNetworkDirectory } from "../store/index.ts";
import { runtimePaths } from "./volumes/paths.ts";

/**
 * What a machine's process opens by name once its VM runs, beside what it has open: its machine's directory, what the
 * machine is made of, what the host knows of names. What it leaves elsewhere another process removes (`Place.leaveBy`).
 */
export function ownPaths(order: StartOrder): AllowedPath[] {
  const { paths, record, network } = order;
  return [
    { path: machineDirectory(paths, record.name), rights: "writableShare" },
    // Its user may have put it elsewhere, and a link in its place.
    { path: dataDirectory(paths, record.name), rights: "writableShare" },
    // Who else is in its network.
    ...(network?.join == null
      ? []
      : [{ path: namedNetworkDirectory(paths, network.join), rights: "share" } as const]),
    ...(record.ephemeral ? [] : lastingPaths(order)),
    ...hostFiles(),
    ...runtimePaths(),
    ...systemLibraries(),
  ];
}

/** For another run of its VM, and for containers, which may have any image of the cache. */
function lastingPaths({ paths, files }: StartOrder): AllowedPath[] {
  const { kernel, system, image, overlayTemplate, storageTemplate } = files;
  return [
    ...[kernel, system, image.path, overlayTemplate, storageTemplate].map(
      (path): AllowedPath => ({ path, rights: "read" }),
    ),
    { path: `${paths.cache}/images`, rights: "share", optional: true },
    // By which an emulated machine gets its clock.
    { path: "/proc/cpuinfo", rights: "read", optional: true },
  ];
}

/**
 * Names and their servers. What manages them replaces the files, and a rule is about a file, so it is for the directory:
 * for root, who can read secrets there, only for those of the usual managers, and for the files as they are now.
 */
function hostFiles(): AllowedPath[] {
  const managers = ["/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman"];
  const places = process.geteuid?.() === 0 ? ["/etc/resolv.conf", "/etc/hosts"] : ["/etc"];
  return [...managers, ...places].map((path): AllowedPath => ({ path, rights: "read", optional: true }));
}
