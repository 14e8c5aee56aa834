import { type Arguments, value } from "../program/types.ts";
import { usageError } from "../usage.ts";
import { parseText } from "../values/text.ts";

const hint = { kind: "machine" } as const;

/** Which machine a command is about: by this option, or by the word that `machineWord` allows. */
export const machineName = value({
  long: "name",
  short: "n",
  placeholder: "NAME",
  description: "The machine (default: $SMOLVM_MACHINE_NAME, else default)",
  hint,
  parse: parseText,
});

/** A machine's name as an argument. */
export const machineWord = {
  kind: "words",
  placeholder: "[NAME]",
  min: 0,
  max: 1,
  hint,
} as const satisfies Arguments;

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
  const [word] = words;
  if (word !== undefined && values.name !== undefined && word !== values.name) {
    throw usageError(
      "cli.two_names",
      `two machines were named: ${word} and, with --name, ${values.name}`,
      "give one of them",
    );
  }
  return word ?? values.name ?? (process.env.SMOLVM_MACHINE_NAME || undefined);
}

/**
 * The same; `default` when none was named.
 *
 * @throws SmolError `cli.two_names`
 */
export function machineNameOf(naming: Naming): string {
  return givenName(naming) ?? "default";
}
