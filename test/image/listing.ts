import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { readXattrs } from "../../src/image/local/xattr.ts";

/** Everything that is compared of one file. */
export interface Listed {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeNs: bigint;
  /** `major:minor` of a device node. */
  device: string;
  target: string;
  sha256: string;
  /** `name=hex`, sorted. */
  xattrs: string;
  /** Of a file with several names, all but the first say which is the first. */
  sameAs: string;
}

/** Path (byte string, from `/`) to file, in depth-first order of names. */
export type Listing = Map<string, Listed>;

/** Lists a tree on disk, as another tool unpacked it. */
export function listTree(root: string): Listing {
  const listing: Listing = new Map();
  const first = new Map<bigint, string>();
  const visit = (path: string) => {
    const onDisk = Buffer.concat([Buffer.from(root), Buffer.from(path, "latin1")]);
    const stat = lstatSync(onDisk, { bigint: true });
    const listed = describe(onDisk, stat);
    const before = first.get(stat.ino);
    if (before === undefined) first.set(stat.ino, path);
    else listed.sameAs = before;
    listing.set(path, listed);
    if (!stat.isDirectory()) return;
    const names = readdirSync(onDisk, { encoding: "buffer" }).map((name) => name.toString("latin1"));
    for (const name of names.sort()) visit(path === "/" ? `/${name}` : `${path}/${name}`);
  };
  visit("/");
  return listing;
}

function describe(path: Buffer, stat: BigIntStats): Listed {
  const device = Number(stat.rdev);
  const isDevice = stat.isBlockDevice() || stat.isCharacterDevice();
  return {
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: stat.isFile() ? Number(stat.size) : 0,
    mtimeNs: stat.mtimeNs,
    device: isDevice ? `${(device >>> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}` : "",
    target: stat.isSymbolicLink() ? readlinkSync(path, { encoding: "buffer" }).toString("latin1") : "",
    sha256: stat.isFile() ? digest(path) : "",
    xattrs: readXattrs(path)
      .map(({ name, value }) => `${name}=${Buffer.from(value).toString("hex")}`)
      .sort()
      .join(" "),
    sameAs: "",
  };
}

function digest(path: Buffer): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const buffer = Buffer.alloc(1 << 20);
  const fd = openSync(path, "r");
  for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
    hasher.update(buffer.subarray(0, count));
  }
  closeSync(fd);
  return hasher.digest("hex");
}

/** The differences between two listings, one line each. */
export function differences(
  expected: Listing,
  actual: Listing,
  ignore: readonly (keyof Listed)[] = [],
): string[] {
  const found: string[] = [];
  for (const [path, listed] of expected) {
    const other = actual.get(path);
    if (other === undefined) {
      found.push(`missing: ${path}`);
      continue;
    }
    for (const key of Object.keys(listed) as (keyof Listed)[]) {
      if (ignore.includes(key) || listed[key] === other[key]) continue;
      found.push(`${path}: ${key} is ${show(other[key])}, not ${show(listed[key])}`);
    }
  }
  for (const path of actual.keys()) if (!expected.has(path)) found.push(`not expected: ${path}`);
  return found;
}

const show = (value: unknown) => (typeof value === "bigint" ? `${value}` : JSON.stringify(value));
