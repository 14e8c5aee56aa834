import type { Arguments } from "../program/types.ts";
import { machineNameOf, machineWord } from "./machine-name.ts";

/** More than anybody types. */
const MAX_PATHS = 1000;

/** A machine, and paths in its workspaces. */
export const pathWords = {
  ...machineWord,
  placeholder: "[NAME] [PATH...]",
  max: MAX_PATHS,
} as const satisfies Arguments;

interface Given {
  readonly values: { readonly name: string | undefined };
  readonly words: readonly string[];
}

/** With `--name`, all words are paths; else the first one is the machine, unless it has a slash, as no name has. */
export function machineAndPaths({ values, words }: Given): { name: string; paths: readonly string[] } {
  const [first] = words;
  if (values.name !== undefined || first === undefined || first.includes("/"))
    return { name: machineNameOf({ values, words: [] }), paths: words };
  return { name: first, paths: words.slice(1) };
}
