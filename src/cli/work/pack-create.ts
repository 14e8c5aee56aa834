import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { environment } from "../../command-line.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import type { Platform } from "../../image/index.ts";
import { hostPlatform, platformName, platformNamed } from "../../image/platform.ts";
import { isLocalImage } from "../../image/source-kind.ts";
import { buildSpec } from "../../machine/model/build.ts";
import type { SpecLayer } from "../../machine/model/index.ts";
import { createPack, hostName, readPrivateKey, writeLauncher } from "../../pack/index.ts";
import type { createOptions } from "../commands/pack/create.ts";
import { makeContext } from "../context.ts";
import { machineLayer } from "../options/machine-layer.ts";
import { machineOptions } from "../options/machine-options.ts";
import { complain, warn } from "../output.ts";
import { defaultsOf, type Values } from "../program/types.ts";
import { reportTransfer } from "../progress/transfer-report.ts";
import type { CreatedPack } from "../show/pack-created.ts";
import { usageError } from "../usage.ts";
import { interruptible } from "./interruptible.ts";
import {
  fileAt,
  isPack,
  type PackedHost,
  packedHost,
  programFor,
  refuseForeign,
  type WantedHosts,
  wantedHosts,
} from "./pack-program.ts";
import {
  digestOf,
  imageOfMachine,
  imageOfName,
  layerOfMachine,
  rebasedImageOfMachine,
} from "./pack-source.ts";

type CreateValues = Values<typeof createOptions>;

const SUFFIX = ".smolmachine";

/**
 * Packs what the options say, and shows on stderr how far it is.
 *
 * @throws SmolError; nothing is left then. Interrupted
 */
export async function createShown(values: CreateValues): Promise<CreatedPack> {
  const sidecar = await outputOf(values.output);
  const created = creationTime(environment().SOURCE_DATE_EPOCH);
  const signWith = values.sign === undefined ? undefined : readPrivateKey(values.sign);
  const context = makeContext();
  const { layers, flags } = await saidBy(context, values);
  const spec = buildSpec({ name: "pack", ephemeral: true, layers, flags, words: [], wordsAre: "arguments" });
  const { fromVm } = values;
  const source = fromVm ?? spec.image;
  if (source === null) {
    throw usageError(
      "cli.missing_word",
      "nothing to pack: no image",
      "give --image IMAGE, --from-vm NAME, or -s FILE of a Smolfile with an image",
    );
  }
  if (values.rebase && fromVm === undefined) {
    throw usageError("cli.conflict", "--rebase-from-image is about a machine", "name it: --from-vm NAME");
  }
  const platform = parsed(flags.platform ?? layers.at(-1)?.platform ?? undefined);
  const hosts = wantedHosts(values, isOfThisHost(platform));
  warnOfOthers(hosts, platform);
  const name = sidecar.slice(0, -SUFFIX.length);
  const isProgram = hosts.has(hostName());
  if (values.singleFile && !isProgram) {
    throw usageError(
      "cli.conflict",
      `--single-file makes a program for this host, and ${platform && platformName(platform)} is not`,
    );
  }
  for (const host of hosts.keys()) await refuseForeign(programFor(name, host), sidecar);
  const output = values.singleFile ? name : sidecar;
  return await interruptible(async (signal) => {
    const how = { ...values, platform, signal };
    const image = await (fromVm === undefined
      ? imageOfName(context, source, how)
      : values.rebase
        ? rebasedImageOfMachine(context, fromVm, spec.image, how)
        : imageOfMachine(context, fromVm, { signal }));
    if (!values.quiet) complain(`Packing ${source} as ${output}...`);
    const sides = { first: source, second: output };
    const report = reportTransfer(sides, { quiet: values.quiet, words: ["Packing", "Packed"] });
    let isDone = false;
    try {
      const { quiet, noRuntime } = values;
      const cacheDir = context.paths.cache;
      const packed: PackedHost[] = [];
      for (const [host, archive] of hosts)
        packed.push(await packedHost(host, archive, { cacheDir, noRuntime, quiet, signal }));
      const own = packed.find(({ platform }) => platform === hostName())?.launcher;
      const written = await createPack({
        image,
        cacheDir,
        spec: { ...spec, image: spec.image && nameOf(spec.image) },
        mode: spec.image === null ? "vm" : "container",
        said: (field) => [flags, ...layers].some((layer) => isSaid(layer[field])),
        digest: fromVm === undefined ? await digestOf(context, source, platform) : null,
        created,
        output,
        program: values.singleFile && typeof own === "string" ? own : undefined,
        runtimes: packed.flatMap(({ runtime }) => runtime ?? []),
        signWith,
        signal,
        onBytes: (bytes, total) => Object.assign(report.progress, { bytes, total }),
      });
      for (const { platform, launcher } of packed) {
        const program = programFor(name, platform);
        if (launcher !== undefined && program !== output) writeLauncher(launcher, program);
      }
      isDone = true;
      const program = isProgram ? name : undefined;
      const files = new Set([output, program ?? output]);
      const totalBytes = files.values().reduce((sum, path) => sum + statSync(path).size, 0);
      const carried = packed.filter(({ runtime }) => runtime !== undefined);
      const programs = carried.map(({ platform, launcher }) => ({
        platform,
        program: launcher === undefined ? undefined : programFor(name, platform),
      }));
      return { ...written, path: output, program, totalBytes, hosts: programs };
    } finally {
      image.release();
      await report.end(isDone);
    }
  });
}

/** Packs are for one architecture; hosts of another one may only unpack them. */
function warnOfOthers(hosts: WantedHosts, platform: Platform | undefined): void {
  const { architecture } = platform ?? hostPlatform();
  const others = [...hosts.keys()].filter((host) => !host.endsWith(`/${architecture}`));
  if (others.length === 0) return;
  warn(`no machine of ${others.join(", ")} runs linux/${architecture}: there the pack cannot be started`);
}

/** Of an image of this host nobody else has the path; what its file is called may still tell something. */
function nameOf(source: string): string | null {
  if (!isLocalImage(source)) return source;
  return source === "-" ? null : basename(source).replace(/\.(tar|tgz|tar\.\w+)$/, "");
}

/** Options give tables of which nothing may be said. */
function isSaid(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value !== undefined;
  return Object.values(value).some((part) => part !== undefined);
}

/**
 * @returns layers as `buildSpec` takes them
 * @throws SmolError `cli.conflict`, `machine.not_found`, `smolfile.*`
 */
async function saidBy(
  context: Context,
  values: CreateValues,
): Promise<{ layers: readonly SpecLayer[]; flags: SpecLayer }> {
  const { image, platform, cpus, memory, entrypoint } = values;
  const flags = await machineLayer({
    ...defaultsOf(machineOptions),
    image,
    platform,
    cpus,
    memory,
    entrypoint,
  });
  if (values.fromVm !== undefined) {
    const other = image !== undefined ? "--image" : platform !== undefined ? "--oci-platform" : undefined;
    const more = other ?? (values.smolfile === undefined ? undefined : "--smolfile");
    if (more !== undefined) throw usageError("cli.conflict", `--from-vm and ${more} exclude each other`);
    return { layers: [layerOfMachine(context, values.fromVm)], flags };
  }
  if (values.smolfile === undefined) return { layers: [], flags };
  const { loadPackedSmolfile } = await import("../../smolfile/index.ts");
  const { layer, notes } = await loadPackedSmolfile(values.smolfile, environment());
  for (const note of notes) warn(note);
  return { layers: [layer], flags };
}

/** A program and smolvm go with packs for hosts like this one. */
function isOfThisHost(platform: Platform | undefined): boolean {
  return platform === undefined || platform.architecture === hostPlatform().architecture;
}

const parsed = (platform: string | undefined): Platform | undefined =>
  platform === undefined ? undefined : platformNamed(platform);

/** @throws SmolError for names that are probably a mistake, and for files that are something else */
async function outputOf(name: string | undefined): Promise<string> {
  if (name === undefined) throw usageError("cli.missing_word", "nothing says what to make", "give -o NAME");
  if (name.endsWith(SUFFIX)) {
    const hint = `give -o ${name.slice(0, -SUFFIX.length)}`;
    throw usageError("cli.bad_value", `-o ${name}: the name of the pack is made of it, with ${SUFFIX}`, hint);
  }
  if (/(^|\/)\.{0,2}$/.test(name)) throw usageError("cli.bad_value", `-o ${name} is no name of a file`);
  const path = `${resolve(name)}${SUFFIX}`;
  const there = fileAt(path);
  if (there === undefined || (there.isFile() && there.size === 0)) return path;
  if (await isPack(path)) return path;
  throw new SmolError("pack.unwritable", `${path} is there, and is no pack`, {
    hint: "remove it, or choose another name",
  });
}

/** https://reproducible-builds.org/specs/source-date-epoch/ @returns seconds since 1970 */
function creationTime(epoch: string | undefined): number {
  if (!epoch) return Math.floor(Date.now() / 1000);
  const seconds = Number(epoch);
  // Four digits of a year.
  if (/^\d+$/.test(epoch) && seconds < 253_402_300_800) return seconds;
  throw usageError("cli.bad_value", `SOURCE_DATE_EPOCH is no number of seconds: ${epoch}`);
}
