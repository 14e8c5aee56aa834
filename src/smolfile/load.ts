import type { SpecLayer } from "../machine/model/index.ts";
import { unavailableProblems } from "./later.ts";
import { mountProblems } from "./mounts.ts";
import { notesOn } from "./notes.ts";
import { readSmolfile } from "./read.ts";
import { type Environment, smolfileSettings } from "./settings.ts";

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
