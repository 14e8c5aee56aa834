import { mkdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Paths } from "../../config/paths.ts";
import { SmolError } from "../../errors.ts";
import type { MachineSpec, Volume } from "../model/index.ts";
import type { PlannedVolume } from "../plan/index.ts";
import { machineDirectory, workspaceIn } from "../store/index.ts";
import { volumePath } from "./named.ts";

/** Of the host itself: what is wrong in there is not a machine's to change, nor to read. */
const PROTECTED = ["/", "/var"];
const PROTECTED_TREES = "/var/run /var/log /etc /boot /usr /bin /sbin /lib /lib64 /proc /sys /dev /run".split(
  " ",
);

export interface SettleOptions {
  /** Links have been followed before, and what they led to was allowed: what leads elsewhere by now is refused. */
  readonly sourcesResolved?: boolean | undefined;
}

/**
 * A description whose paths of the host are those that the machine will have: absolute, without links, looked at now.
 *
 * @throws SmolError `volume.no_source`, `volume.protected`, `volume.not_shareable`, `volume.changed`
 */
export function settleVolumes<T extends Pick<MachineSpec, "volumes">>(
  spec: T,
  { sourcesResolved = false }: SettleOptions = {},
): T {
  if (spec.volumes.length === 0) return spec;
  const volumes = spec.volumes.map((volume) =>
    volume.kind === "volume" ? volume : { ...volume, source: settle(volume, sourcesResolved) },
  );
  return { ...spec, volumes };
}

function settle({ kind, source }: Volume, isResolved: boolean): string {
  const path = canonical(source);
  if (isResolved && path !== source)
    throw new SmolError("volume.changed", `${source} is not any more what it was when it was allowed`);
  if (PROTECTED.includes(path) || PROTECTED_TREES.some((tree) => isWithin(path, tree))) {
    throw new SmolError("volume.protected", `${path} belongs to the host's system and is not shared`, {
      hint: "copy what the machine needs into a directory of yours, and share that",
    });
  }
  if (kindOf(path, look(path)) === "file" && kind === "overlay") throw notFolder(path);
  return path;
}

const isWithin = (path: string, tree: string): boolean => path === tree || path.startsWith(`${tree}/`);

function canonical(source: string): string {
  try {
    return realpathSync(resolve(source));
  } catch {
    throw noSource(source);
  }
}

function look(path: string): Stats {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw noSource(path);
  return stats;
}

function kindOf(path: string, stats: Stats): "file" | "directory" {
  if (stats.isDirectory()) return "directory";
  if (stats.isFile()) return "file";
  throw new SmolError(
    "volume.not_shareable",
    `${path} is neither a directory nor a regular file, and cannot be a volume`,
  );
}

const notFolder = (path: string): SmolError =>
  new SmolError("volume.not_shareable", `${path} is no directory, and cannot be a workspace`);

/** Scripts look for these words. */
const noSource = (path: string): SmolError =>
  new SmolError("volume.no_source", `mount source not found: ${path}`, {
    hint: "make it first; a name without a slash is a volume of smolvm's own",
  });

/**
 * What is to be shared at a start: looked at again, and volumes of smolvm's own made where they are missing.
 *
 * @throws SmolError `volume.no_source`, `volume.not_shareable`
 */
export function planVolumes(paths: Paths, spec: Pick<MachineSpec, "volumes" | "name">): PlannedVolume[] {
  return spec.volumes.map((volume) => plan(paths, spec.name, volume)).sort(byTarget);
}

function plan(paths: Paths, machine: string, volume: Volume): PlannedVolume {
  const { kind, source, target, readOnly } = volume;
  if (kind === "overlay") {
    if (kindOf(source, look(source)) === "file") throw notFolder(source);
    const workspace = workspaceIn(machineDirectory(paths, machine), volume);
    return { path: source, isFile: false, target, readOnly, fill: false, workspace };
  }
  if (kind === "bind") {
    const isFile = kindOf(source, look(source)) === "file";
    return { path: source, isFile, target, readOnly, fill: false };
  }
  const path = volumePath(paths, source);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return { path: realpathSync(path), isFile: false, target, readOnly, fill: !readOnly };
}

/** A volume in another one is mounted after it. */
const byTarget = (a: PlannedVolume, b: PlannedVolume): number =>
  a.target.split("/").length - b.target.split("/").length;
