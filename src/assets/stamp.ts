import { readFileSync, rmSync, type StatsBase, statSync, utimesSync, writeFileSync } from "node:fs";
import { bootId } from "../host/index.ts";

/**
 * A stamp remembers, beside an unpacked file, which file was last found to be right: its inode, size, change times,
 * and the boot in which that happened. A file that still matches its stamp is trusted without being read. Any
 * write changes the times; a new boot (a power cut may have lost data that was never flushed) makes the first user
 * read and check the file once.
 */
export interface Stamp {
  readonly identity: string;
  /** SHA-256 of the data in hex. */
  readonly sha256: string;
}

const DAY_MILLISECONDS = 24 * 3600 * 1000;

/** Everything that a change of the file, or a new boot, makes different. */
export function identityOf(stat: StatsBase<bigint> & { mtimeNs: bigint; ctimeNs: bigint }): string {
  return `${bootId()} ${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}

/** The file's stamp when it still describes the file, else undefined. Also keeps the stamp from looking unused. */
export function matchingStamp(path: string): Stamp | undefined {
  const stamp = readStamp(stampPath(path));
  if (!stamp) return undefined;
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stat || identityOf(stat) !== stamp.identity) return undefined;
  return stamp;
}

/** The last stamp, whether or not its file changed since. */
function readStamp(name: string): Stamp | undefined {
  try {
    const [identity, sha256, end] = readFileSync(name, "utf8").split("\n");
    if (!identity || !sha256 || end === undefined) return undefined;
    touchDaily(name);
    return { identity, sha256 };
  } catch {
    return undefined; // absent or unreadable: the file is checked again
  }
}

/** Records that the file is right as it is now. Where that cannot be written, the file is checked each time. */
export function writeStamp(path: string, sha256: string): void {
  const name = stampPath(path);
  const stat = statSync(path, { bigint: true });
  try {
    writeFileSync(name, `${identityOf(stat)}\n${sha256}\n`, { mode: 0o600 });
  } catch {
    rmSync(name, { force: true });
  }
}

/** Where the stamp of a file is; its modification time tells when the file was last used, to a day. */
export function stampPath(path: string): string {
  return `${path}.stamp`;
}

function touchDaily(name: string): void {
  const now = Date.now();
  if (now - statSync(name).mtimeMs > DAY_MILLISECONDS) utimesSync(name, now / 1000, now / 1000);
}
