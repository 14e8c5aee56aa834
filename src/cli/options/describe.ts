import { resolve } from "node:path";
import { environment } from "../../command-line.ts";
// Not the folders' faces, which load more.
import { looksLikePath, splitArchiveTag } from "../../image/source-kind.ts";
import { buildSpec } from "../../machine/model/build.ts";
import type { MachineSpec, SpecLayer } from "../../machine/model/index.ts";
import type { PackSource } from "../../pack/index.ts";
import { warn } from "../output.ts";
import { machineLayer } from "./machine-layer.ts";
import type { MachineValues } from "./machine-options.ts";

/** What a new machine is made from, beside its options. */
export interface Described {
  readonly name: string;
  readonly ephemeral: boolean;
  readonly smolfile: string | undefined;
  /** Weaker than the Smolfile. Beside one it is what the image of a first description turned out to name. */
  readonly pack?: PackSource | undefined;
  /** The words behind the options. */
  readonly words: readonly string[];
  readonly wordsAre: "arguments" | "command";
  /** Where no option says it. */
  readonly engine?: MachineSpec["engine"] | undefined;
}

/**
 * What the options of `run` and `create`, and the Smolfile that they name, say about a new machine. Notes about the
 * file are printed.
 *
 * @throws SmolError `machine.bad_setting`, `network.unresolved`, `smolfile.*`, `cli.env_file`
 */
export async function describeMachine(values: MachineValues, described: Described): Promise<MachineSpec> {
  const { smolfile, pack, engine, ...rest } = described;
  const said = await machineLayer(values);
  const image = described.ephemeral ? said.image : absoluteImage(said.image);
  const flags = { ...said, image, engine: said.engine ?? engine };
  const spec = buildSpec({ ...rest, layers: await layersOf(smolfile, pack), flags });
  if (values.allowHosts.length > 0) {
    const { checkHosts } = await import("../work/resolve-hosts.ts");
    await checkHosts(values.allowHosts, spec);
  }
  return spec;
}

async function layersOf(smolfile: string | undefined, pack: PackSource | undefined): Promise<SpecLayer[]> {
  const packed =
    pack === undefined ? [] : [(await import("../../pack/index.ts")).packedSettings(pack.manifest)];
  if (smolfile === undefined) return packed;
  const { loadSmolfile } = await import("../../smolfile/index.ts");
  const { layer, notes } = await loadSmolfile(smolfile, environment());
  // With a pack the file is read for the second time, its notes have been printed.
  if (pack === undefined) for (const note of notes) warn(note);
  return [...packed, layer];
}

/** A machine that stays may be started from another directory. */
function absoluteImage<T extends string | null | undefined>(image: T): T | string {
  if (typeof image !== "string" || !looksLikePath(image)) return image;
  const { path, tag } = splitArchiveTag(image);
  return tag === undefined ? resolve(path) : `${resolve(path)}:${tag}`;
}
