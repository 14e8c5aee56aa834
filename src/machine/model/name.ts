import { SmolError } from "../../errors.ts";
import { oneLine } from "../../values/index.ts";

export const MAX_NAME_LENGTH = 128;
export const NAME_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9_]|-(?!-|$))*$/;

/**
 * Checks a machine name: 1 to 128 characters of A-Z a-z 0-9 _ -, the first a letter or digit, no `--`, no `-` at the
 * end. Such a name is safe as a file name and as a word of a command line.
 *
 * @throws SmolError `machine.bad_name`
 */
export function checkMachineName(name: string): string {
  const { length } = name;
  if (length > MAX_NAME_LENGTH)
    throw badName(`the machine name is too long: ${length} characters (max ${MAX_NAME_LENGTH})`);
  if (NAME_PATTERN.test(name)) return name;
  throw badName(`not a machine name: ${JSON.stringify(name.slice(0, 80))}`);
}

/** Whether `checkMachineName` is content. */
export const isMachineName = (name: string): boolean =>
  name.length <= MAX_NAME_LENGTH && NAME_PATTERN.test(name);

function badName(message: string): SmolError {
  return new SmolError("machine.bad_name", message, {
    hint: `use up to ${MAX_NAME_LENGTH} letters, digits, _ and -, starting with a letter or digit`,
    exitCode: 2,
  });
}

/** A name nobody has: `vm-` and 8 hexadecimal digits. */
export function makeMachineName(): string {
  return `vm-${crypto.getRandomValues(Buffer.alloc(4)).toString("hex")}`;
}

/** There is no machine of this name. */
export function notFound(name: string): SmolError {
  return new SmolError("machine.not_found", `vm not found: ${oneLine(name)}`, {
    hint: "`smolvm machine ls` shows what there is",
  });
}
