import { accessSync, constants, statSync } from "node:fs";
import { errnoOf, SmolError } from "../errors.ts";
import type { VmSpec } from "./types.ts";

/** sun_path of sockaddr_un(7), without the terminating zero; macOS has 104. */
const SOCKET_PATH_BYTES = process.platform === "darwin" ? 103 : 107;
const MAX_CPUS = 64;
const MIN_MEMORY_MIB = 64;
const MAX_MEMORY_MIB = 1024 * 1024;

export interface SpecLimits {
  /** Bytes of the kernel's command line; what the engine appends by itself is already taken off. */
  readonly commandLineBytes: number;
  /** Disks and shares together; the engine's own devices, and a network card, are already taken off. */
  readonly devices: number;
}

/**
 * Checks what both engines have in common, before a process is started.
 *
 * @throws SmolError `engine.bad_spec`, `engine.too_many_devices`, `engine.file_unusable`
 */
export function checkSpec(spec: VmSpec, commandLine: string, limits: SpecLimits): void {
  requireRange("virtual CPUs", spec.cpus, 1, MAX_CPUS);
  requireRange("memory in MiB", spec.memoryMib, MIN_MEMORY_MIB, MAX_MEMORY_MIB);
  requireRange("agent port", spec.agentPort, 1, 0xfffffffe);
  if (!isPrintable(commandLine) || Buffer.byteLength(commandLine) > limits.commandLineBytes) {
    throw badSpec(`the kernel's parameters are not printable, or over ${limits.commandLineBytes} bytes long`);
  }
  for (const parameter of spec.commandLine) {
    if (!isOneParameter(parameter)) throw badSpec(`not one kernel parameter: ${JSON.stringify(parameter)}`);
  }
  // A GPU takes the place of one of them.
  const devices = spec.disks.length + spec.shares.length + (spec.gpu === undefined ? 0 : 1);
  const counted = spec.gpu === undefined ? "" : ", its GPU counted";
  if (devices > limits.devices) {
    throw new SmolError(
      "engine.too_many_devices",
      `the VM would have ${devices} disks and shared folders${counted}; this engine has room for ${limits.devices}`,
    );
  }
  requireSocket("the agent's socket", spec.agentSocket);
  if (spec.card !== undefined) {
    requireSocket("the network's socket", spec.card.socket);
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(spec.card.mac)) throw badSpec(`not a MAC: ${spec.card.mac}`);
  }
  if (spec.gpu !== undefined) requireRange("GPU memory in MiB", spec.gpu.vramMib, 1, MAX_MEMORY_MIB);
  checkFiles(spec);
}

function checkFiles(spec: VmSpec): void {
  requireFile("kernel", spec.kernel, constants.R_OK);
  for (const disk of spec.disks) {
    if (disk.format === "vmdk" && !disk.readOnly) throw badSpec(`not a disk to write to: ${disk.path}`);
    requireFile("disk", disk.path, disk.readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
  }
  for (const share of spec.shares) {
    if (!/^[\w.-]{1,36}$/.test(share.tag)) throw badSpec(`bad tag of a shared folder: ${share.tag}`);
    requirePath(share.path);
    if (!statSync(share.path, { throwIfNoEntry: false })?.isDirectory()) {
      throw unusable("shared folder", share.path, "not a directory");
    }
  }
}

function requireSocket(what: string, path: string): void {
  requirePath(path);
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES) return;
  throw badSpec(`path of ${what} is over ${SOCKET_PATH_BYTES} bytes long: ${path}`);
}

function requireFile(what: string, path: string, mode: number): void {
  requirePath(path);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) throw unusable(what, path, "no such file");
  if (!status.isFile() && !status.isBlockDevice()) throw unusable(what, path, "not a file");
  try {
    accessSync(path, mode);
  } catch (error) {
    throw unusable(what, path, errnoOf(error) === "EACCES" ? "permission denied" : "cannot be opened");
  }
}

/** Paths go through C strings and, for QEMU, through option lists. */
function requirePath(path: string): void {
  if (!path.startsWith("/") || path.includes("\0")) throw badSpec(`not an absolute path: ${path}`);
}

function requireRange(what: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw badSpec(`${what} must be a whole number from ${low} to ${high}, not ${value}`);
}

/** The kernel splits at spaces and stops at a zero; anything but printable ASCII has no business there. */
function isPrintable(commandLine: string): boolean {
  return /^[ -~]*$/.test(commandLine);
}

/** White space would begin another parameter; a quote would end only behind others (lib/cmdline.c, next_arg). */
function isOneParameter(text: string): boolean {
  return /^[^\s"]+$/.test(text);
}

function badSpec(message: string): SmolError {
  return new SmolError("engine.bad_spec", message);
}

function unusable(what: string, path: string, why: string): SmolError {
  return new SmolError("engine.file_unusable", `cannot use ${what} ${path}: ${why}`);
}
