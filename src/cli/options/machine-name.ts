import { type Arguments, value } from "../program/types.ts";
import { usageError } from "../usage.ts";
import { parseText } from "../values/text.ts";

const hint = { kind: "machine" } as const;

/** More than anybody types. */
const MAX_NAMES = 1000;

/** Which machine a command is about: by this option, or by the word that `machineWord` allows. */
export const machineName = value({
  long: "name",
  short: "n",
  placeholder: "NAME",
  description: "The machine (default: $SMOLVM_MACHINE_NAME, else default)",
  hint,
  parse: parseText,
});

/** The same for what must not hit a machine that nobody named. */
export const requiredName = { ...machineName, description: "The machine (default: $SMOLVM_MACHINE_NAME)" };

/** A machine's name as an argument. */
export const machineWord = {
  kind: "words",
  placeholder: "[NAME]",
  min: 0,
  max: 1,
  hint,
} as const satisfies Arguments;

/** Names of machines as arguments. */
export const machineWords = { ...machineWord, placeholder: "[NAME...]", max: MAX_NAMES } as const;

/** A machine, and a process in it. */
export const processWords = { ...machineWord, placeholder: "[NAME] [ID]", max: 2 } as const;

interface Naming {
  readonly values: { readonly name: string | undefined };
  readonly words: readonly string[];
}

/**
 * The machine that was named as an argument, by `--name`, or by SMOLVM_MACHINE_NAME; undefined when none was.
 *
 * @throws SmolError `cli.two_names`
 */
export function givenName({ values, words }: Naming): string | undefined {
  const other = values.name === undefined ? undefined : words.find((word) => word !== values.name);
  if (other !== undefined) {
    throw usageError(
      "cli.two_names",
      `two machines were named: ${other} and, with --name, ${values.name}`,
      "give one of them",
    );
  }
  return words[0] ?? values.name ?? (process.env.SMOLVM_MACHINE_NAME || undefined);
}

/**
 * The same; `default` when none was named.
 *
 * @throws SmolError `cli.two_names`
 */
export function machineNameOf(naming: Naming): string {
  return givenName(naming) ?? "default";
}

/**
 * The same, where a machine has to be named.
 *
 * @throws SmolError `cli.two_names`, `cli.missing_word`
 */
export function requiredNameOf(naming: Naming): string {
  const name = givenName(naming);
  if (name !== undefined) return name;
  throw usageError("cli.missing_word", "a machine has to be named", "`smolvm machine ls` lists them");
}

/**
 * All machines that were named, each once; `default` when none was.
 *
 * @throws SmolError `cli.two_names`
 */
export function machineNamesOf(naming: Naming): string[] {
  return naming.words.length > 1 ? eachOnce(naming) : [machineNameOf(naming)];
}

/**
 * The same, where one has to be named.
 *
 * @throws SmolError `cli.two_names`, `cli.missing_word`
 */
export function requiredNamesOf(naming: Naming): string[] {
  return naming.words.length > 1 ? eachOnce(naming) : [requiredNameOf(naming)];
}

function eachOnce(naming: Naming): string[] {
  givenName(naming);
  return [...new Set(naming.words)];
}
