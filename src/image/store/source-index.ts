import { type BigIntStats, readFileSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import type { Platform } from "../types.ts";

/**
 * What a source looked like when an image was made from it. As long as nothing of it changes, the source is taken to
 * hold the same bytes; the change time cannot be set back by programs.
 */
export interface Fingerprint {
  /** Names the file that is remembered: device, inode, platform and which image of it. */
  readonly key: string;
  /** Everything else that must be equal. */
  readonly state: string;
  /** Newest change of the source, in ns since 1970. */
  readonly changed: bigint;
}

/**
 * @param name of one of several images in the source.
 * @param more what else the source is told apart by.
 */
export function fingerprintOf(
  stat: BigIntStats,
  platform: Platform,
  name: string | undefined,
  more = "",
): Fingerprint {
  const { os, architecture, variant = "" } = platform;
  const image = name === undefined ? "" : ` ${JSON.stringify(name)}`;
  const identity = `${stat.dev} ${stat.ino} ${os}/${architecture}/${variant}${image}`;
  return {
    key: Bun.hash(identity).toString(16).padStart(16, "0"),
    state: `${identity} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${more}`,
    changed: newer(stat.ctimeNs, stat.mtimeNs),
  };
}

function newer(a: bigint, b: bigint): bigint {
  if (a < b) return b;
  return a;
}

/** File times move on in ticks of the kernel, of up to 10 ms; some filesystems only keep whole seconds. */
const TICK = 50_000_000n;
const COARSE_TICK = 2_100_000_000n;

/** Whether a later change would be sure to get another time than the one in the fingerprint. */
export function isSettled(fingerprint: Fingerprint, now: bigint): boolean {
  const tick = fingerprint.changed % 1_000_000_000n === 0n ? COARSE_TICK : TICK;
  return now - fingerprint.changed > tick;
}

/** Now, on the clock that file times are taken from, in ns. */
export const fileClock = () => BigInt(Date.now()) * 1_000_000n;

export const sourcePath = (directory: string, fingerprint: Fingerprint) =>
  `${directory}/sources/${fingerprint.key}`;

/** The id of the image that was made from a source which looked exactly like this. */
export function lookUpSource(directory: string, fingerprint: Fingerprint): string | undefined {
  try {
    const [state, id] = readFileSync(sourcePath(directory, fingerprint), "utf8").split("\n");
    return state === fingerprint.state ? id : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
