import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { ensureInstalled } from "../build/apt.ts";
import { run, sha256 } from "../build/host.ts";
import { part } from "../build/parts.ts";
import { foldAddresses } from "../src/assets/fold.ts";
import { writePack } from "../src/pack/pack.fixture.ts";

/** Packed programs whose runtime is a small shell script: what the launcher does is the same. */

/** Of the launcher in these tests. */
export const VERSION = "1.2.3";
export const PLATFORM = "linux/amd64";

/** The launcher, compiled for tests: every memory error and undefined behaviour ends it with a report on stderr. */
export async function testStub(): Promise<string> {
  await ensureInstalled(["libzstd-dev"], "the decoder in packed programs");
  const names = readdirSync(import.meta.dir).filter((name) => /\.[ch]$/.test(name));
  const pins = {
    sources: names.sort().map((name) => sha256(readFileSync(`${import.meta.dir}/${name}`))),
    compiler: await run(["cc", "--version"]),
  };
  const flags =
    "-std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all";
  const made = await part("test-stub", { recipe: import.meta.path, pins }, async (out) => {
    const sources = names.filter((name) => name.endsWith(".c"));
    const defines = [`-DSTUB_VERSION="${VERSION}"`, `-DSTUB_PLATFORM="${PLATFORM}"`];
    const words = ["cc", ...flags.split(" "), ...defines, "-o", `${out}/stub`, ...sources, "-lzstd"];
    await run(words, { cwd: import.meta.dir });
  });
  return `${made}/stub`;
}

/** A runtime that says how it was started; `mark` tells it from others, and `padding` makes it larger. */
export const runtimeScript = (mark: string, padding = 0) =>
  Buffer.concat([
    Buffer.from(`#!/bin/sh\nprintf '%s\\n' '${mark}' "$@"; env | grep -c '^BUN_'; exit 7\n#`),
    Buffer.alloc(padding, "x"),
  ]);

export interface PackedOptions {
  /** Undefined: the pack has none. */
  readonly runtime?: Buffer | undefined;
  readonly platform?: string;
  readonly encoding?: "raw" | "zstd" | "folded";
  /** As the section table has it, where that is not so. */
  readonly contentBytes?: number;
  /** In place of the compressed runtime. */
  readonly stored?: Buffer;
  readonly singleFile?: boolean;
}

function stored(runtime: Buffer, encoding: "raw" | "zstd" | "folded"): Buffer {
  if (encoding === "raw") return runtime;
  const content = Buffer.from(runtime);
  if (encoding === "folded") foldAddresses(content);
  return Bun.zstdCompressSync(content);
}

/** Writes `path`, a packed program, and its sidecar. */
export async function writeProgram(path: string, options: PackedOptions): Promise<void> {
  const { runtime, platform = PLATFORM, encoding = "zstd", singleFile = false } = options;
  const program = await testStub();
  mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const runtimes = [];
  if (runtime !== undefined) {
    const file = `${path}.runtime`;
    writeFileSync(file, options.stored ?? stored(runtime, encoding));
    runtimes.push({ platform, path: file, encoding, contentBytes: options.contentBytes ?? runtime.length });
  }
  if (singleFile) {
    await writePack(path, Buffer.from("disk"), { runtimes, program });
  } else {
    copyFileSync(program, path);
    await writePack(`${path}.smolmachine`, Buffer.from("disk"), { runtimes });
  }
  chmodSync(path, 0o755);
}
