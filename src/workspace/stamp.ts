/**
 * What the host's entry was when the guest first changed it: how one tells that somebody else has changed it since.
 */
import type { Kind, Stat } from "./stat.ts";

export interface Stamp {
  readonly kind: Kind;
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: number;
  readonly modified: bigint;
  readonly changed: bigint;
  readonly mode: number;
  readonly links: number;
  /** SHA-256 of a small file's bytes or of a link's text: what is written again as it was is no change. */
  readonly hash: string | undefined;
}

/** How old a file's last change must be for its time to tell it from the next: more than a tick of any kernel. */
export const TICK_NS = 30_000_000n;

/** Of no file. */
const UNKNOWN_TIME = -1n;

/**
 * The stamp of a file that may be written to in the tick in which it was last changed: its times would not show that
 * (Linux before 6.13), so that only its hash counts. Without a hash the times have to do.
 */
export const freshStamp = (stat: Stat, hash: string | undefined, now: bigint): Stamp =>
  hash === undefined || now - stat.changed > TICK_NS
    ? stampOf(stat, hash)
    : { ...stampOf(stat, hash), modified: UNKNOWN_TIME };

export const stampOf = (stat: Stat, hash?: string): Stamp => ({
  kind: stat.kind,
  device: stat.device,
  inode: stat.inode,
  size: stat.size,
  modified: stat.modified,
  changed: stat.changed,
  mode: stat.mode & 0o7777,
  links: stat.links,
  hash,
});

/** Whether nothing has touched it. Of a directory only that it is one: what is in it has stamps of its own. */
export function isUntouched(stamp: Stamp, stat: Stat): boolean {
  if (stamp.kind !== stat.kind) return false;
  if (stamp.kind === "directory") return true;
  return (
    stamp.device === stat.device &&
    stamp.inode === stat.inode &&
    stamp.size === stat.size &&
    stamp.modified === stat.modified &&
    // Another name of the same file came or went: that changes this time too, and no byte.
    (stamp.changed === stat.changed || stamp.links !== stat.links) &&
    stamp.mode === (stat.mode & 0o7777)
  );
}

/** For the index: fields by blanks, `-` for no hash. */
export const encodeStamp = (stamp: Stamp): string =>
  [
    stamp.kind,
    stamp.device,
    stamp.inode,
    stamp.size,
    stamp.modified,
    stamp.changed,
    stamp.mode,
    stamp.links,
    stamp.hash ?? "-",
  ].join(" ");

export function decodeStamp(text: string): Stamp {
  const [kind, device = "", inode = "", size, modified = "", changed = "", mode, links, hash] =
    text.split(" ");
  return {
    kind: kind as Kind,
    device: BigInt(device),
    inode: BigInt(inode),
    size: Number(size),
    modified: BigInt(modified),
    changed: BigInt(changed),
    mode: Number(mode),
    links: Number(links),
    hash: hash === "-" ? undefined : hash,
  };
}

export const sha256 = (bytes: Uint8Array | string): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
