/** Rules of Landlock and fewer capabilities for all threads of this process (Linux; landlock(7), capabilities(7)). */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, constants, fstatSync, openSync, readdirSync } from "node:fs";

const { i32, i64, u64 } = FFIType;

/** The same numbers on all architectures. */
const SYS_landlock_create_ruleset = 444;
const SYS_landlock_add_rule = 445;
const LANDLOCK_RULE_PATH_BENEATH = 1n;

const O_PATH = 0o10000000;

/** Rights that a rule about a file that is no directory may have: execute, write, read, truncate, ioctl. */
const FILE_RIGHTS = 0b111 | (1 << 14) | (1 << 15);

/** A thread that does not run for so long is on a host that does nothing at all. */
const ANSWER_SECONDS = 30;

/** What the kernel refuses unless a rule allows it. */
export interface Ruleset {
  readonly files: number;
  readonly scopes: number;
  /** Bytes of `struct landlock_ruleset_attr` that the kernel knows. */
  readonly size: number;
  readonly rules: readonly PathRule[];
}

export interface PathRule {
  readonly path: string;
  readonly rights: number;
  readonly optional?: boolean | undefined;
}

/**
 * From here on no thread of this process, nor what it starts, does with files what no rule allows, or has a capability
 * that is not kept.
 *
 * @param library launcher/threads/threads.c
 * @param ruleset undefined: no rules
 * @param capabilities those that stay where they are there, as bits
 * @throws Error when the kernel refuses it, or a path that has to be there is not
 */
export function restrictAllThreads(
  library: string,
  ruleset: Ruleset | undefined,
  capabilities: bigint,
): void {
  const { symbols: threads } = dlopen(library, {
    restrict_threads: { args: [i32, u64, FFIType.ptr, i32, i32], returns: i32 },
  });
  const fd = ruleset === undefined ? -1 : makeRuleset(ruleset);
  try {
    restrictThreads((some) =>
      threads.restrict_threads(fd, capabilities, ptr(some), some.length, ANSWER_SECONDS),
    );
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** @returns its descriptor */
function makeRuleset({ files, scopes, size, rules }: Ruleset): number {
  const { symbols: libc } = dlopen("libc.so.6", {
    syscall: { args: [i64, u64, u64, u64, u64], returns: i64 },
  });
  const attributes = new BigUint64Array([BigInt(files), 0n, BigInt(scopes)]);
  const fd = Number(libc.syscall(SYS_landlock_create_ruleset, ptr(attributes), size, 0, 0));
  if (fd < 0) throw new Error("landlock_create_ruleset failed");
  for (const { path, rights, optional } of rules) {
    const place = openPath(path, optional === true);
    if (place === undefined) continue;
    // struct landlock_path_beneath_attr is packed: u64, s32.
    const rule = Buffer.alloc(12);
    const mask = fstatSync(place).isDirectory() ? -1 : FILE_RIGHTS;
    rule.writeBigUInt64LE(BigInt(rights & files & mask), 0);
    rule.writeInt32LE(place, 8);
    const added = libc.syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, ptr(rule), 0);
    closeSync(place);
    if (added !== 0n) throw new Error(`landlock_add_rule failed for ${path}`);
  }
  return fd;
}

/** A thread that is not restricted yet may start another one meanwhile: until a look finds none. */
function restrictThreads(restrict: (some: Int32Array) => number): void {
  const done = new Set<string>();
  for (;;) {
    const left = readdirSync("/proc/self/task").filter((thread) => !done.has(thread));
    if (left.length === 0) return;
    const errno = restrict(Int32Array.from(left, Number));
    if (errno !== 0) throw new Error(`the threads could not be restricted: errno ${errno}`);
    for (const thread of left) done.add(thread);
  }
}

function openPath(path: string, optional: boolean): number | undefined {
  try {
    return openSync(path, O_PATH | constants.O_RDONLY);
  } catch (error) {
    if (optional) return undefined;
    throw error;
  }
}
