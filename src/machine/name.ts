import { SmolError } from "../errors.ts";

const MAX_NAME_LENGTH = 64;

/**
 * Checks a machine name: 1 to 64 characters of A-Z a-z 0-9 _ -, the first a letter or digit, no `--`, no `-` at the end.
 * Such a name is safe as a file name and as a host name. (Upstream allows 128; a host name label ends at 63 and
 * a socket path at 107.)
 */
export function checkMachineName(name: string): string {
  const valid = /^[A-Za-z0-9](?:[A-Za-z0-9_]|-(?!-|$))*$/.test(name) && name.length <= MAX_NAME_LENGTH;
  if (valid) return name;
  throw new SmolError("machine.bad_name", `not a machine name: ${JSON.stringify(name.slice(0, 80))}`, {
    hint: "use up to 64 letters, digits, _ and -, starting with a letter or digit",
    exitCode: 2,
  });
}

/** A name nobody has: `vm-` and 8 hexadecimal digits. */
export function makeMachineName(): string {
  return `vm-${crypto.getRandomValues(Buffer.alloc(4)).toString("hex")}`;
}
