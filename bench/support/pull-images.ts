import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Member, membersOf, tarOf } from "../../src/image/image.fixture.ts";
import { debianArchive } from "../../test/image/debian.ts";
import { run, testCache } from "../../test/image/tools.ts";

/** The images that bench/pull.ts pulls, made once and kept. */

/** Archives of an image of about 460 MB: a Debian root, 120 large files, 6,000 small ones. Lowest first. */
export function mixedLayers(): string[] {
  const directory = kept("pull-layers-1", (fresh) => {
    const text = debianText();
    const large = Array.from({ length: 120 }, (_, at) => ({
      path: `opt/data/part-${at}`,
      // Half as compressible as programs are: text and noise, 20 to 40 KiB of each in turn.
      data: mixture(text, 1_500_000, at),
    }));
    writeFileSync(join(fresh, "large.tar"), tarOf(directory_("opt"), directory_("opt/data"), ...large));
    const small = Array.from({ length: 6000 }, (_, at) => ({
      path: `usr/lib/modules/m${at % 60}/file-${at}`,
      data: text.subarray((at * 7919) % 4_000_000).subarray(0, 1000 + ((at * 37) % 26_000)),
    }));
    const folders = Array.from({ length: 60 }, (_, at) => directory_(`usr/lib/modules/m${at}`));
    const above = ["usr", "usr/lib", "usr/lib/modules"].map(directory_);
    writeFileSync(join(fresh, "small.tar"), tarOf(...above, ...folders, ...small));
  });
  return [debianArchive(), join(directory, "large.tar"), join(directory, "small.tar")];
}

const directory_ = (path: string): Member => ({ path: `${path}/`, type: "5", mode: 0o755 });

/** The archives packed by a tool, one after the other. @returns their paths */
export function packed(archives: readonly string[], tool: "gzip" | "zstd"): string[] {
  const directory = kept(`pull-layers-1-${tool}`, (fresh) => {
    // The levels that docker and buildkit use.
    const level = tool === "gzip" ? "-6" : "-3";
    for (const [at, archive] of archives.entries())
      run(["sh", "-c", `${tool} ${level} -c "$1" > "$2"`, "sh", archive, join(fresh, `${at}.tar`)]);
  });
  return archives.map((_, at) => join(directory, `${at}.tar`));
}

/** Writes an archive of that many MiB-sized files. Every one begins with 64 KiB that no other file has. */
export async function writeBulk(path: string, mebibytes: number): Promise<void> {
  const block = Buffer.alloc(1 << 20);
  fillWithNoise(block, "bulk");
  const packer = Bun.spawn(["zstd", "-q", "-3", "-f", "-o", path], { stdin: "pipe" });
  const write = async (bytes: Uint8Array) => {
    packer.stdin.write(bytes);
    await packer.stdin.flush();
  };
  for (let at = 0; at < mebibytes; at++) {
    crypto.getRandomValues(block.subarray(0, 65_536));
    await write(membersOf({ path: `f${at}`, data: block }));
  }
  await write(Buffer.alloc(1024));
  await packer.stdin.end();
  if ((await packer.exited) !== 0) throw new Error("zstd failed");
}

/** Bytes that look random, and are the same each time. */
export function fillWithNoise(bytes: Buffer, seed: string): void {
  for (let at = 0; at < bytes.length; at += 64)
    createHash("sha512").update(`${seed} ${at}`).digest().copy(bytes, at);
}

function mixture(text: Buffer, size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  fillWithNoise(bytes, String(seed));
  for (let at = 0; at < size; at += 60_000)
    text.copy(bytes, at, (at * 31 + seed * 977) % 4_000_000, ((at * 31 + seed * 977) % 4_000_000) + 35_000);
  return bytes;
}

/** 5 MB out of the Debian root: programs and texts as they are. */
function debianText(): Buffer {
  const bytes = run([
    "sh",
    "-c",
    'tail -c +60000000 "$1" | head -c 5000000 | base64 -w0',
    "sh",
    debianArchive(),
  ]);
  return Buffer.from(bytes, "base64");
}

function kept(name: string, make: (directory: string) => void): string {
  const directory = join(testCache(), name);
  if (existsSync(directory)) return directory;
  const fresh = mkdtempSync(join(testCache(), "making-"));
  try {
    make(fresh);
    mkdirSync(testCache(), { recursive: true });
    renameSync(fresh, directory);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return directory;
}
