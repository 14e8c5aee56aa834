/** For tests of disks: e2fsprogs, and templates as the recipe makes them but for their identifiers. */
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { seekSparse } from "../../../ffi/libc.ts";

export const GIB = 1024 ** 3;

/** A directory for one test, removed when the test's `using` scope ends. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(`${tmpdir()}/smolvm-disks-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs one of e2fsprogs to its end. */
export function e2fs(...command: string[]): { exitCode: number; output: string } {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env });
  return { exitCode, output: `${stdout}${stderr}` };
}

/** Makes a sparse file with an ext4. */
export function format(path: string, bytes: number, ...options: string[]): void {
  closeSync(openSync(path, "wx"));
  truncateSync(path, bytes);
  const { exitCode, output } = e2fs("mke2fs", "-q", "-F", "-t", "ext4", ...options, path);
  if (exitCode !== 0) throw new Error(`mke2fs: ${output}`);
}

/** What `dumpe2fs -h` says of a disk, by its words. */
export function header(path: string): Record<string, string> {
  const { output } = e2fs("dumpe2fs", "-h", path);
  const lines = output.split("\n").map((line) => /^([^:]+):\s+(.*)$/.exec(line));
  return Object.fromEntries(lines.flatMap((match) => (match ? [[match[1] ?? "", match[2] ?? ""]] : [])));
}

/** Whether e2fsck finds nothing wrong; it does not write. */
export function isClean(path: string): boolean {
  return e2fs("e2fsck", "-f", "-n", path).exitCode === 0;
}

/** Bytes that the host gave to the file. */
export const allocated = (path: string) => statSync(path).blocks * 512;

/** A hash of what a file holds and where, whether its zeros are holes or not. */
export function hashOf(path: string): string {
  const hash = new Bun.CryptoHasher("sha256");
  const block = Buffer.alloc(64 * 1024);
  const file = openSync(path, "r");
  const { size } = fstatSync(file);
  for (let at = seekSparse(file, 0, "data"); at !== undefined; at = seekSparse(file, at, "data")) {
    const end = seekSparse(file, at, "hole") ?? size;
    for (at -= at % block.length; at < end; at += block.length) {
      const read = block.subarray(0, readSync(file, block, 0, block.length, at));
      if (read.some((byte) => byte !== 0)) hash.update(`${at} ${read.length} `).update(read);
    }
  }
  closeSync(file);
  return hash.update(`${size}`).digest("hex");
}
