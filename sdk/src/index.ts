/** Machines in your own program. Importing it does nothing: no file, process, socket or timer. */
import { version as packageVersion } from "../../src/version.ts";
import { checkHostOf, type RunOnceOptions, runOnceOn } from "./client.ts";
import { defaultTransport } from "./default-transport.ts";
import { Images } from "./images.ts";
import { Packs } from "./packs.ts";
import type { ExecResult } from "./result.ts";
import type { CallOptions, HostCheck } from "./types/index.ts";

export { type RunOnceOptions, Smolvm, type SmolvmOptions } from "./client.ts";
export type { MachineEnv } from "./env.ts";
export {
  ExecError,
  FileError,
  HostError,
  ImageError,
  InvalidConfigError,
  InvalidStateError,
  MachineExistsError,
  MachineNotFoundError,
  OperationTimeoutError,
  SmolvmError,
} from "./errors.ts";
export type { MachineFs } from "./fs.ts";
export type { Guest } from "./guest.ts";
export { type BuildOptions, ImageBuildError, ImageBuilder } from "./image-builder.ts";
export type { Images } from "./images.ts";
export type { ListFilter } from "./lifecycle.ts";
export { Machine } from "./machine.ts";
export type { PackInfo } from "./packs.ts";
export type { MachineProcess } from "./process.ts";
export type { Published } from "./published.ts";
export { CommandFailedError, type ExecResult } from "./result.ts";
export type { SshAccess } from "./ssh-image.ts";
export type * from "./types/index.ts";
export type { LogOptions } from "./watch.ts";

/**
 * Runs one command in a machine of its own, of which nothing is left.
 *
 * @example
 * const { output } = await runOnce(["uname", "-r"], { image: "alpine:3.20" });
 */
export function runOnce(argv: readonly string[], options: RunOnceOptions = {}): Promise<ExecResult> {
  return runOnceOn(defaultTransport(), argv, options, {});
}

/**
 * Whether machines can run on this host.
 *
 * @example
 * const host = await checkHost();
 * if (!host.ok) throw new Error(`${host.reason}: ${host.hint}`);
 */
export function checkHost(options: CallOptions = {}): Promise<HostCheck> {
  return checkHostOf(defaultTransport(), options);
}

/**
 * The images of this host.
 *
 * @example
 * await images.pull("alpine:3.20");
 */
export const images = new Images(defaultTransport);

/**
 * Packs on this host.
 *
 * @example
 * await packs.create({ image: "alpine:3.20", output: "tools" });
 */
export const packs = new Packs(defaultTransport);

/**
 * Of this package.
 *
 * @example
 * console.log(`smolvm ${version}`);
 */
export const version: string = packageVersion;
