import { statSync } from "node:fs";
import { assetPath, buildId } from "../../assets/index.ts";
import { SmolError } from "../../errors.ts";
import { openPack, ownRuntime, type RuntimeFile } from "../../pack/index.ts";
import { complain } from "../output.ts";

/** The program that `pack create` makes beside a pack, or in front of it. */

/** What goes with a pack for hosts like this one. */
export interface PackedProgram {
  /** The launcher's file; see stub/. */
  readonly launcher: string;
  /** This smolvm, for hosts that have none. */
  readonly runtimes: readonly RuntimeFile[];
}

/**
 * The first time that a version makes a pack it takes some seconds, and says so.
 *
 * @throws SmolError `assets.*`, `pack.*`
 */
export async function packedProgram(
  cacheDir: string,
  options: { readonly noRuntime: boolean; readonly quiet: boolean; readonly signal: AbortSignal },
): Promise<PackedProgram> {
  const { noRuntime, quiet, signal } = options;
  const launcher = await assetPath("stub", cacheDir);
  if (noRuntime) return { launcher, runtimes: [] };
  if (!Bun.isStandaloneExecutable) {
    throw new SmolError("pack.no_runtime", "a smolvm that runs from source cannot put itself into a pack", {
      hint: "run dist/smolvm, or give --no-runtime",
    });
  }
  const onWork = () => {
    if (!quiet) complain("Compressing smolvm for hosts that have none (once)...");
  };
  const program = process.execPath;
  const runtime = await ownRuntime({ cacheDir, buildId: buildId(), program, signal, onWork });
  return { launcher, runtimes: [runtime] };
}

/**
 * A file of the program's name that no pack belongs to is somebody's own.
 *
 * @throws SmolError `pack.unwritable`
 */
export async function refuseForeign(program: string, sidecar: string): Promise<void> {
  const there = statSync(program, { throwIfNoEntry: false });
  if (there === undefined || (there.isFile() && there.size === 0)) return;
  const belongs = statSync(sidecar, { throwIfNoEntry: false }) !== undefined || (await isPack(program));
  if (there.isFile() && belongs) return;
  throw new SmolError("pack.unwritable", `${program} is there, and is no packed program`, {
    hint: "remove it, or choose another name",
  });
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
