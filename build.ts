import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { assemble } from "./build/assemble.ts";
import { canRunKrun, ensureQemu } from "./build/engines.ts";
import { root } from "./build/host.ts";
import { isBuiltFully, makeRelease } from "./build/release/release.ts";
import { printSizes } from "./build/sizes.ts";
import { baseImage } from "./recipes/base/base.ts";
import { diskTemplate } from "./recipes/disks/disks.ts";
import { kernel } from "./recipes/kernel/kernel.ts";
import { krunProgram, launcher, memoryLibrary, threadsLibrary } from "./recipes/launcher/launcher.ts";
import { libkrun } from "./recipes/libkrun/libkrun.ts";
import { stub } from "./recipes/stub/stub.ts";
import { systemImage } from "./recipes/system/system.ts";
import type { AssetName } from "./src/assets/types.ts";

/**
 * Makes `dist/smolvm`, the one file that is shipped, for the platform that this runs on.
 *
 *     bun build.ts full     everything, for both engines, packed small
 *     bun build.ts quick    what this machine can use, packed fast: the first try of a fresh checkout
 *     bun build.ts release  what a full build left, as a directory to serve (build/release/release.ts):
 *                           [--into DIRECTORY] [--url ADDRESS] [--key FILE] [ARCHIVE of another platform...]
 *
 * Leaves in `dist/`: `smolvm`, `manifest.json`, `assets/` (the packed parts, for runs from source), and `built`
 * (`full` or `quick`), whose time is when the build began: `./dev` compares it with the sources.
 */
const dist = `${root}/dist`;

type Scope = "full" | "quick";

async function main(scope: Scope): Promise<void> {
  const began = new Date();
  const krunRuns = canRunKrun();
  const withKrun = scope === "full" || krunRuns;
  if (!krunRuns) await ensureQemu();

  // One after the other: compilers and package managers use the whole machine by themselves.
  const parts: Partial<Record<AssetName, string>> = {
    kernel: await kernel(scope),
    system: await systemImage(),
    overlay: await diskTemplate("overlay"),
    storage: await diskTemplate("storage"),
    small: await diskTemplate("small"),
    base: await baseImage(),
    stub: await stub(),
    ...(process.platform === "linux" && {
      launcher: await launcher(),
      threads: await threadsLibrary(),
      memory: await memoryLibrary(),
    }),
    ...(withKrun && { libkrun: await libkrun() }),
    ...(withKrun && process.platform === "linux" && { krun: await krunProgram() }),
  };
  const elsewhere = "it was built where krun cannot run";
  const absent = withKrun ? {} : { libkrun: elsewhere, krun: elsewhere };
  mkdirSync(dist, { recursive: true });
  const packed = await assemble(dist, parts, absent, scope === "full" ? "small" : "fast");
  writeFileSync(`${dist}/built`, `${scope}\n`);
  utimesSync(`${dist}/built`, began, began);
  if (scope === "full") await printSizes(`${dist}/smolvm`, packed);
}

async function release(args: string[]): Promise<void> {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { into: text, url: text, key: text },
  });
  if (!isBuiltFully(dist)) throw new Error("a release is made from a full build: bun build.ts full");
  const directory = resolve(values.into ?? `${dist}/release`);
  const url = values.url ?? `file://${directory}`;
  await makeRelease({ dist, directory, url, keyFile: values.key, archives: positionals });
}

const [scope = "full", ...args] = process.argv.slice(2);
const usage = scope !== "full" && scope !== "quick" && scope !== "release";
if (usage || (scope !== "release" && args.length > 0)) {
  process.stderr.write("usage: bun build.ts [full|quick|release [OPTIONS]]\n");
  process.exit(2);
}
try {
  await (scope === "release" ? release(args) : main(scope));
} catch (error) {
  process.stderr.write(`build: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
