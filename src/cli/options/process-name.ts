import { givenName, machineNameOf } from "./machine-name.ts";

interface Naming {
  readonly values: { readonly name: string | undefined };
  readonly words: readonly string[];
}

/**
 * A machine and a process in it: `[NAME] [ID]`. A single word is the machine's name when there is a machine of that
 * name and none was named otherwise, and else an id.
 *
 * @param exists whether there is a machine of this name
 * @throws SmolError `cli.two_names`
 */
export function processOf(
  naming: Naming,
  exists: (name: string) => boolean,
): { readonly machine: string; readonly process: string | undefined } {
  const { values, words } = naming;
  const [first, second] = words;
  if (second !== undefined)
    return { machine: machineNameOf({ values, words: [first as string] }), process: second };
  if (first === undefined) return { machine: machineNameOf(naming), process: undefined };
  if (values.name !== undefined && values.name !== first) return { machine: values.name, process: first };
  if (values.name === first || exists(first)) return { machine: first, process: undefined };
  const elsewhere = givenName({ values, words: [] }) ?? "default";
  // "No such machine" is the better answer to a misspelt name than "no such process".
  const isId = /^[0-9a-f]{2,12}$/.test(first) && exists(elsewhere);
  return isId ? { machine: elsewhere, process: first } : { machine: first, process: undefined };
}

/** The name of a machine's own command among its processes. */
export const WORKLOAD = "workload";
