import { createHash } from "node:crypto";
import type { ApkFile } from "./apk-database.ts";

/**
 * Files of packages that change after they were installed: other packages add their accounts, container tools put in
 * their own host names. What the package brought is found again, and proven by the checksum in apk's database.
 */

/** Container tools replace these; the packages' own texts. */
const replaced: Record<string, string> = {
  "etc/hostname": "localhost\n",
  "etc/hosts": "127.0.0.1\tlocalhost localhost.localdomain\n::1\t\tlocalhost localhost.localdomain\n",
  "etc/mtab": "../proc/mounts",
};

/** Lines are added to these at their end. */
const growing = ["etc/group", "etc/modules", "etc/passwd", "etc/shadow"];

/** Alpine's published images and archives lock root's password, which the package leaves empty. */
const EMPTY_PASSWORD = /^root::/;
const LOCKED_PASSWORD = /^root:\*:/;

/**
 * What the file holds in a fresh installation, of which `present` is a later state.
 *
 * @throws Error when neither it nor what can be won back from it is what the package brought.
 */
export function originalOf(file: ApkFile, present: Buffer): Buffer {
  if (sha1(present) === file.sha1) return present;
  for (const candidate of candidates(file.path, present)) {
    if (sha1(candidate) === file.sha1) return candidate;
    if (file.path === "etc/shadow" && sha1(withEmptyPassword(candidate)) === file.sha1) return candidate;
  }
  throw new Error(`/${file.path} is not what apk's database says: its SHA-1 should be ${file.sha1}`);
}

/** Whether owner and mode may differ too, because the file was replaced by a tool that has its own. */
export function isReplaced(path: string): boolean {
  return path in replaced;
}

function* candidates(path: string, present: Buffer): Generator<Buffer> {
  const text = replaced[path];
  if (text !== undefined) yield Buffer.from(text);
  if (!growing.includes(path)) return;
  for (let end = present.indexOf("\n"); end >= 0; end = present.indexOf("\n", end + 1)) {
    yield present.subarray(0, end + 1);
  }
}

function withEmptyPassword(shadow: Buffer): Buffer {
  return Buffer.from(shadow.toString("latin1").replace(LOCKED_PASSWORD, "root::"), "latin1");
}

/** root's password as Alpine publishes it: locked. */
export function lockRoot(shadow: Buffer): Buffer {
  return Buffer.from(shadow.toString("latin1").replace(EMPTY_PASSWORD, "root:*:"), "latin1");
}

function sha1(bytes: Buffer): string {
  return createHash("sha1").update(bytes).digest("hex");
}
