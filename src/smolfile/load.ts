import type { SpecLayer } from "../machine/model/index.ts";
import { unavailableProblems } from "./later.ts";
import { mountProblems } from "./mounts.ts";
import { notesOn } from "./notes.ts";
import { readSmolfile } from "./read.ts";
import type { SmolfileContent } from "./schema.ts";
import { type Environment, packedSettings, smolfileSettings } from "./settings.ts";

/** What a machine gets from a Smolfile. */
export interface LoadedSmolfile {
  readonly layer: SpecLayer;
  /** For the user, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Reads the Smolfile of a machine that is to be made, for `buildSpec`.
 *
 * @param path from the working directory
 * @param environment the host's, for variables that are passed on
 * @throws SmolError `smolfile.*` when it is not right, or asks for what this release cannot do, with
 *   `file:line:column`
 */
export async function loadSmolfile(path: string, environment: Environment): Promise<LoadedSmolfile> {
  const file = await readSmolfile(path);
  const [missing] = file.inOrder(await mountProblems(file));
  if (missing !== undefined) throw file.errorOf(missing);
  const [unavailable] = file.inOrder(unavailableProblems(file.content));
  if (unavailable !== undefined) throw file.errorOf(unavailable);
  const notes = notesOn(file.content).map((note) => `${file.path}: ${note}`);
  return { layer: smolfileSettings(file, environment), notes };
}

/**
 * The same of a machine that is to be packed: without `[dev]`, with `[artifact]` over the keys above it, and without
 * what only the host that runs it can decide about.
 */
export async function loadPackedSmolfile(path: string, environment: Environment): Promise<LoadedSmolfile> {
  const file = await readSmolfile(path);
  const [unavailable] = file.inOrder(unavailableProblems(file.content));
  if (unavailable !== undefined) throw file.errorOf(unavailable);
  const notes = [...notesOn(file.content), ...notPacked(file.content)];
  return {
    layer: packedSettings(file, environment),
    notes: notes.map((note) => `${file.path}: ${note}`),
  };
}

/** Top-level keys that say something about the host. Those of `[dev]` are not for packs to begin with. */
function notPacked({ volumes = [], ports = [], auth }: SmolfileContent): string[] {
  const keys = [
    ...(volumes.length > 0 ? ["volumes"] : []),
    ...(ports.length > 0 ? ["ports"] : []),
    ...(auth?.ssh_agent ? ["[auth]"] : []),
  ];
  return keys.map((key) => `${key} is not packed: whoever runs the pack gives -v, -p, --ssh-agent`);
}
