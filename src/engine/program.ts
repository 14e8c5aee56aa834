/** What a VMM's process opens by name: all other files of the host are closed to it. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { AllowedPath, ConfinedProgram } from "../confine/index.ts";
import type { VmDisk, VmSpec } from "./types.ts";

/** Descriptors of what is connected and opened for it. */
export const AGENT_FD = 10;
export const CARD_FD = 11;
/** Where the krun engine finds /dev/kvm. */
export const KVM_FD = 12;
/** Of a VMM that its starter gives a connection: the first that a starter gives. */
export const MONITOR_FD = 4;

const MIB = 1024 * 1024;

/** For a process's program, libraries, translations of code, stacks and heaps of its threads. */
const OVERHEAD_BYTES = 4096 * MIB;
const BYTES_PER_CPU = 128 * MIB;

/** Beside those of the CPUs: QEMU has up to 64 for its files (util/thread-pool.c), libkrun one for each device. */
const OTHER_THREADS = 256;

/** What both engines have in common. */
export function vmLimits(spec: VmSpec): Pick<ConfinedProgram, "addressSpaceBytes" | "fileBytes" | "threads"> {
  return {
    addressSpaceBytes:
      (spec.memoryMib + (spec.gpu?.vramMib ?? 0)) * MIB + OVERHEAD_BYTES + spec.cpus * BYTES_PER_CPU,
    fileBytes: Math.max(
      MIB,
      ...spec.disks.filter(({ readOnly }) => !readOnly).map(({ path }) => sizeOf(path)),
    ),
    threads: spec.cpus + OTHER_THREADS,
  };
}

export function vmSockets({ agentSocket, card }: VmSpec): { path: string; fd: number }[] {
  const sockets = [{ path: agentSocket, fd: AGENT_FD }];
  if (card !== undefined) sockets.push({ path: card.socket, fd: CARD_FD });
  return sockets;
}

/** Kernel and disks. */
export function vmPaths({ kernel, disks }: VmSpec): AllowedPath[] {
  return [
    { path: kernel, rights: "read" },
    ...disks.flatMap((disk): AllowedPath[] => [
      { path: disk.path, rights: disk.readOnly ? "read" : "write" },
      ...extentsOf(disk).map((path): AllowedPath => ({ path, rights: "read" })),
    ]),
  ];
}

/**
 * What draws on the host's GPU: its node, what libdrm finds out about it, and where Mesa and libglvnd find their drivers
 * beside the libraries.
 */
export function gpuPaths({ gpu }: VmSpec): AllowedPath[] {
  if (gpu === undefined || gpu.renderNode === null) return [];
  const places = [
    "/sys/dev/char",
    "/sys/devices",
    "/usr/share/glvnd",
    "/usr/share/drirc.d",
    "/usr/share/libdrm",
  ];
  return [
    { path: gpu.renderNode, rights: "device" },
    ...[...places, "/etc/glvnd"].map((path): AllowedPath => ({ path, rights: "library", optional: true })),
    { path: "/etc/drirc", rights: "read", optional: true },
  ];
}

/** Compiled shaders are not kept: there is no place to write to. */
export function gpuEnvironment({ gpu }: VmSpec): string[] {
  return gpu === undefined || gpu.renderNode === null ? [] : ["MESA_SHADER_CACHE_DISABLE=true"];
}

/** Where a program's package lies: `/usr` of `/usr/bin/qemu-system-x86_64`. */
export const prefixOf = (program: string): string => dirname(dirname(realpathSync(program)));

/** Where a program that is linked dynamically finds its libraries, and the loader that starts it. */
export function libraryPaths(program: string): AllowedPath[] {
  const prefix = prefixOf(program);
  return [
    { path: program, rights: "execute" },
    ...systemLibraries(),
    ...[`${prefix}/lib`, `${prefix}/lib64`].map(library),
  ];
}

const library = (path: string): AllowedPath => ({ path, rights: "library", optional: true });

/** Those of the host, wherever the program is. */
export function systemLibraries(): AllowedPath[] {
  return [
    ...["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].map(
      (path): AllowedPath => ({ path, rights: "execute", optional: true }),
    ),
    { path: "/etc/ld.so.cache", rights: "read", optional: true },
    ...["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store"].map(
      library,
    ),
  ];
}

/** The files that a descriptor joins: their names are relative to its own (src/image/store/vmdk.ts). */
function extentsOf({ path, format }: VmDisk): string[] {
  if (format !== "vmdk") return [];
  const names = [...readFileSync(path, "utf8").matchAll(/^RW \d+ FLAT "([^"]+)"/gm)].map(([, name]) => name);
  return [...new Set(names)].map((name) => `${dirname(path)}/${name}`);
}

function sizeOf(path: string): number {
  const status = statSync(path);
  // What is not a file has no size, and no limit either.
  return status.isFile() ? status.size : 0;
}
