/** Landlock: which files a process may use, and how it may reach others (landlock(7), linux/landlock.h). */
import type { Ruleset } from "../../ffi/landlock.ts";
import { type OrderWriter, text, u32, u64 } from "./order.ts";
import type { AllowedPath, Rights } from "./types.ts";

const EXECUTE = 1 << 0;
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;
const MAKE_CHAR = 1 << 6;
const MAKE_BLOCK = 1 << 11;
const TRUNCATE = 1 << 14;
/** From version 5 on; before, who may open a device may ask it anything. */
const IOCTL_DEV = 1 << 15;

/** Rights of files that each version knows: a kernel refuses those that it does not know. */
const knownRights = [0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff] as const;

/** The first version lets nobody move a file from one directory to another, which guests do. */
export const MOVES_BETWEEN_DIRECTORIES = 2;

/** TCP: to bind and to connect; from version 4 on. */
const NETWORK = 0b11;
/** Abstract Unix sockets and signals stay inside; from version 6 on. */
const SCOPES = 0b11;

const rightsOf: Record<Rights, number> = {
  read: READ_FILE,
  write: READ_FILE | WRITE_FILE | TRUNCATE,
  library: READ_FILE | READ_DIR,
  execute: READ_FILE | EXECUTE,
  device: READ_FILE | WRITE_FILE | IOCTL_DEV,
  share: READ_FILE | READ_DIR,
  // All but devices: a guest makes none of the host's.
  writableShare: 0x7fff & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK),
};

/** What this version knows of rights of files, and of what stays inside. */
const known = (version: number) => ({
  files: knownRights[Math.min(version, knownRights.length - 1)] ?? 0,
  scopes: version >= 6 ? SCOPES : 0,
  /** Bytes of struct landlock_ruleset_attr. */
  size: version >= 6 ? 24 : version >= 4 ? 16 : 8,
});

/** The same rules for a process that goes on carrying connections: of files and sockets, and not of the network. */
export function rulesetOf(version: number, paths: readonly AllowedPath[]): Ruleset {
  return { ...known(version), rules: paths.map((one) => ({ ...one, rights: rightsOf[one.rights] })) };
}

/** Describes the rules; they hold from `landlockEnforce` on. Everything that no rule allows is refused. */
export function addLandlock(order: OrderWriter, version: number, paths: readonly AllowedPath[]): void {
  const { files, scopes, size } = known(version);
  order.step(
    "landlock",
    "rules of Landlock",
    u64(files),
    u64(version >= 4 ? NETWORK : 0),
    u64(scopes),
    u32(size),
  );
  for (const { path, rights, optional } of paths) {
    order.step("allowPath", path, u64(rightsOf[rights] & files), text(path), u32(optional ? 1 : 0));
  }
}
