import { type Stats, statSync } from "node:fs";
import { assetPath, buildId } from "../../assets/index.ts";
import { SmolError } from "../../errors.ts";
import {
  archivedRuntime,
  hostName,
  openPack,
  ownRuntime,
  type ReleaseArchive,
  type RuntimeFile,
  type RuntimeOptions,
  releaseArchive,
  unwritable,
} from "../../pack/index.ts";
import { complain } from "../output.ts";
import { usageError } from "../usage.ts";

/** The programs that `pack create` makes beside a pack, or in front of it. */

/** What goes with a pack for hosts of one platform. */
export interface PackedHost {
  /** `linux/amd64`. */
  readonly platform: string;
  /** The launcher (stub/): its file for hosts such as this one, else its bytes; undefined for hosts that have none. */
  readonly launcher: string | Uint8Array | undefined;
  /** The smolvm for them; undefined: they need one that is installed. */
  readonly runtime: RuntimeFile | undefined;
}

interface HostValues {
  readonly hosts: readonly (readonly string[])[];
  readonly hostArchives: readonly string[];
  readonly noRuntime: boolean;
  readonly singleFile: boolean;
}

/** The hosts that a pack is for, each with the archive that has its smolvm: undefined for hosts such as this one. */
export type WantedHosts = ReadonlyMap<string, ReleaseArchive | undefined>;

/**
 * Which hosts `--host` and `--host-archive` ask for.
 *
 * @param isForThisHost whether hosts such as this one run the pack, where nothing is asked for
 * @throws SmolError `cli.conflict`, `cli.missing_value`, `pack.bad_archive`
 */
export function wantedHosts(values: HostValues, isForThisHost: boolean): WantedHosts {
  const { noRuntime, singleFile } = values;
  const hosts = new Set(values.hosts.flat());
  const archives = values.hostArchives.map(releaseArchive);
  const other = archives.find(({ platform }) => !hosts.has(platform));
  if (other !== undefined)
    throw usageError("cli.conflict", `${other.path} is for ${other.platform}, which --host does not name`);
  if (archives.some(({ platform }) => platform === hostName()))
    throw usageError("cli.conflict", `--host-archive: the smolvm for ${hostName()} is this very program`);
  if (hosts.size === 0) return new Map(isForThisHost ? [[hostName(), undefined]] : []);
  if (noRuntime) throw usageError("cli.conflict", "--host and --no-runtime exclude each other");
  if (singleFile && (hosts.size > 1 || !hosts.has(hostName())))
    throw usageError("cli.conflict", `--single-file makes a program for ${hostName()} and no other host`);
  return new Map(
    [...hosts].sort().map((host) => {
      const archive = archives.findLast(({ platform }) => platform === host);
      if (archive !== undefined || host === hostName()) return [host, archive];
      const hint = `--host-archive FILE, with the archive for ${host} of this version's release`;
      throw usageError("cli.missing_value", `nothing says where the smolvm for ${host} is`, hint);
    }),
  );
}

/**
 * What a pack takes along for a host. The first time for a version that takes some seconds, and says so.
 *
 * @param archive undefined for hosts such as this one
 * @throws SmolError `assets.*`, `pack.*`
 */
export async function packedHost(
  platform: string,
  archive: ReleaseArchive | undefined,
  options: {
    readonly cacheDir: string;
    readonly noRuntime: boolean;
    readonly quiet: boolean;
    readonly signal: AbortSignal;
  },
): Promise<PackedHost> {
  const { cacheDir, noRuntime, quiet, signal } = options;
  const onWork = () => {
    if (!quiet) complain(`Compressing smolvm for hosts that have none (once, ${platform})...`);
  };
  const about: RuntimeOptions = { cacheDir, signal, onWork };
  if (archive !== undefined) return { platform, ...(await archivedRuntime(archive, about)) };
  const launcher = await assetPath("stub", cacheDir);
  if (noRuntime) return { platform, launcher, runtime: undefined };
  if (!Bun.isStandaloneExecutable) {
    throw new SmolError("pack.no_runtime", "a smolvm that runs from source cannot put itself into a pack", {
      hint: "run dist/smolvm, or give --no-runtime",
    });
  }
  const runtime = await ownRuntime({ ...about, buildId: buildId(), program: process.execPath });
  return { platform, launcher, runtime };
}

/** What the program for hosts of a platform is called. @param name of the one for hosts such as this one */
export const programFor = (name: string, platform: string): string =>
  platform === hostName() ? name : `${name}.${platform.replace("/", "-")}`;

/**
 * A file of the program's name that no pack belongs to is somebody's own.
 *
 * @throws SmolError `pack.unwritable`
 */
export async function refuseForeign(program: string, sidecar: string): Promise<void> {
  const there = fileAt(program);
  if (there === undefined || (there.isFile() && there.size === 0)) return;
  const belongs = fileAt(sidecar) !== undefined || (await isPack(program));
  if (there.isFile() && belongs) return;
  throw new SmolError("pack.unwritable", `${program} is there, and is no packed program`, {
    hint: "remove it, or choose another name",
  });
}

/** What is at a path that is to be written. @throws SmolError `pack.unwritable` when that cannot be known */
export function fileAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Whether a file is a pack, damaged ones and those of other versions included. */
export async function isPack(path: string): Promise<boolean> {
  try {
    await (await openPack(path)).close();
    return true;
  } catch (error) {
    return !(error instanceof SmolError) || !["pack.not_a_pack", "pack.unreadable"].includes(error.code);
  }
}
