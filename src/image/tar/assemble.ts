import { limits } from "../limits.ts";
import type { Attributes, Xattr } from "../tree/index.ts";
import type { TarEntryType } from "./entry.ts";
import { beyond, damaged } from "./error.ts";
import type { Header } from "./header.ts";
import { parseDecimal, parseTime } from "./numeric.ts";
import type { PaxRecords } from "./pax.ts";

const types: Record<string, TarEntryType> = {
  "0": "file",
  "\0": "file",
  // A "contiguous" file; nobody treats it as anything else.
  "7": "file",
  "1": "link",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  S: "file",
  // A directory of a GNU incremental backup, whose data is a list of names.
  D: "directory",
};

/** @throws SmolError for members that are not files: parts of multi-volume archives and unknown extensions. */
export function entryType(typeflag: string, path: string): TarEntryType {
  const type = types[typeflag];
  if (type === undefined) throw damaged(`a member has the unknown type "${visible(typeflag)}"`);
  // Archives from before directories had a type of their own mark them by the name.
  return type === "file" && typeflag !== "S" && path.endsWith("/") ? "directory" : type;
}

const visible = (flag: string) => (/^[!-~]$/.test(flag) ? flag : `\\x${flag.charCodeAt(0).toString(16)}`);

/**
 * The names of a member, from the strongest source to the weakest: the name of a sparse file, the PAX records, GNU
 * long names, the header. (Go's archive/tar lets long names win over PAX records; no archive should have both.)
 */
export function assembleNames(
  header: Header,
  pax: PaxRecords,
  longName: string | undefined,
  longTarget: string | undefined,
  sparseName: string | undefined,
): { path: string; target: string } {
  const path = sparseName ?? pax.get("path") ?? longName ?? header.name;
  const target = pax.get("linkpath") ?? longTarget ?? header.linkname;
  if (path.includes("\0") || target.includes("\0")) throw damaged("a name contains a NUL byte");
  if (path === "") throw damaged("a member has no name");
  return { path, target };
}

/** Owner, mode, time and attributes of a member: the PAX records where there are any, otherwise the header. */
export function attributesOf(header: Header, pax: PaxRecords): Attributes {
  const uid = pax.get("uid");
  const gid = pax.get("gid");
  const mtime = pax.get("mtime");
  const time = mtime === undefined ? { seconds: header.mtime, nanoseconds: 0 } : parseTime(mtime, "mtime");
  return {
    permissions: header.mode & 0o7777,
    uid: checkId(uid === undefined ? header.uid : parseDecimal(uid, "uid"), "user"),
    gid: checkId(gid === undefined ? header.gid : parseDecimal(gid, "gid"), "group"),
    seconds: time.seconds,
    nanoseconds: time.nanoseconds,
    xattrs: xattrsOf(pax),
  };
}

function checkId(id: number, what: string): number {
  if (id < 0 || id > 0xffffffff) throw damaged(`a ${what} number is out of range: ${id}`);
  return id;
}

const XATTR = "SCHILY.xattr.";
const noXattrs: readonly Xattr[] = [];

/** Extended attributes, sorted by name so that the image does not depend on their order in the archive. */
function xattrsOf(pax: PaxRecords): readonly Xattr[] {
  let found: Xattr[] | undefined;
  let bytes = 0;
  for (const [keyword, text] of pax) {
    if (!keyword.startsWith(XATTR)) continue;
    // GNU tar escapes "=" in names, because it would end the keyword.
    const name = keyword.slice(XATTR.length).replaceAll("%3D", "=").replaceAll("%25", "%");
    const value = Buffer.from(text, "latin1");
    found ??= [];
    found.push({ name, value });
    bytes += name.length + value.length;
    if (found.length > limits.xattrs || bytes > limits.xattrBytes) {
      throw beyond(
        `a member has more than ${limits.xattrs} extended attributes, or ${limits.xattrBytes} bytes of them`,
      );
    }
  }
  return found === undefined
    ? noXattrs
    : found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
