import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** A variable to set, or (without a value) to pass on from the host's environment. */
export interface Variable {
  readonly name: string;
  readonly value: string | undefined;
}

/** `NAME=value`, or `NAME` to pass the host's on. The first `=` ends the name. */
export function parseVariable(text: string): Variable {
  const end = text.indexOf("=");
  const name = end < 0 ? text : text.slice(0, end);
  if (name === "") throw badValue(`the variable has no name: ${quote(text)}`, "write NAME=value");
  return { name, value: end < 0 ? undefined : text.slice(end + 1) };
}

/**
 * Looks up what is to be passed on; a variable that the host does not have is left out.
 *
 * @returns `NAME=value` in the order given
 */
export function resolveVariables(
  variables: readonly Variable[],
  host: Readonly<Record<string, string | undefined>>,
): string[] {
  return variables.flatMap(({ name, value = host[name] }) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}
