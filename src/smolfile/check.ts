import type { SmolError } from "../errors.ts";
import { unavailableProblems } from "./later.ts";
import { mountProblems } from "./mounts.ts";
import { notesOn } from "./notes.ts";
import type { Smolfile } from "./parse.ts";
import { readAndParse } from "./read.ts";
import type { Environment } from "./settings.ts";

/** What `smolvm smolfile check` found. */
export interface SmolfileReport {
  /**
   * Everything for which `machine create -s` would refuse the file, in its order, with `file:line:column`. Those of
   * code `smolfile.unavailable` are right and ask for what this release cannot do.
   */
  readonly problems: readonly SmolError[];
  /** What else there is to know, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Checks a Smolfile as far as that goes without making a machine of it: images are not looked for.
 *
 * @param path from the working directory
 * @param environment the host's, for variables that are passed on
 * @throws SmolError `smolfile.not_found`, `smolfile.unreadable`, `smolfile.too_large`, `smolfile.bad_toml`
 */
export async function checkSmolfile(path: string, environment: Environment): Promise<SmolfileReport> {
  const read = await readAndParse(path);
  if ("errors" in read) return { problems: read.errors, notes: [] };
  const { file } = read;
  const problems = [...(await mountProblems(file)), ...unavailableProblems(file.content)];
  const notes = [...notesOn(file.content), ...missingVariables(file, environment)];
  return {
    problems: file.inOrder(problems).map(file.errorOf),
    notes: notes.map((note) => `${file.path}: ${note}`),
  };
}

function missingVariables({ content }: Smolfile, environment: Environment): string[] {
  const passed = [...(content.env ?? []), ...(content.dev?.env ?? [])].map((entry) => entry.trim());
  const missing = passed.filter((entry) => !entry.includes("=") && environment[entry] === undefined);
  return [...new Set(missing)].map((name) => `the variable ${name} is not set here, and would be left out`);
}
