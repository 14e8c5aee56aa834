import { isMachineName } from "../../machine/model/name.ts";
import { badValue, usageError } from "../usage.ts";
import { quote } from "./size.ts";

/** One side of `cp`. */
export type Place =
  | { readonly kind: "machine"; readonly machine: string; readonly path: string }
  | { readonly kind: "host"; readonly path: string }
  /** Standard input or output, a tar archive. */
  | { readonly kind: "stream" };

const SYNTAX = "one side is NAME:PATH, the other a path of this host or -: smolvm cp ./file box:/root/";

/**
 * `NAME:PATH`, `-` or a path of the host. As docker has it: what is absolute or begins with a dot is the host's, whatever
 * colons it has; so is what has a slash before its first colon. A path in a machine without a slash begins at `/`.
 *
 * @throws SmolError `cli.bad_value`
 */
export function parsePlace(text: string): Place {
  if (text === "-") return { kind: "stream" };
  if (text === "") throw badValue("an empty path", SYNTAX);
  if (text.includes("\0")) throw badValue(`not a path: ${quote(text)}`);
  const colon = text.indexOf(":");
  const machine = text.slice(0, Math.max(colon, 0));
  if (colon < 0 || /^[./]/.test(text) || machine.includes("/")) return { kind: "host", path: text };
  if (!isMachineName(machine)) {
    throw badValue(
      `${quote(text)} names no machine before its colon`,
      `a file of that name is ./${text}; ${SYNTAX}`,
    );
  }
  const path = text.slice(colon + 1);
  if (path === "") throw badValue(`${quote(text)} has no path behind its colon`, SYNTAX);
  return { kind: "machine", machine, path: path.startsWith("/") ? path : `/${path}` };
}

/**
 * Both sides of a copy, of which one has to be a machine's.
 *
 * @throws SmolError `cli.bad_value`, `cli.bad_copy`
 */
export function parsePlaces(source: string, target: string): { source: Place; target: Place } {
  const places = { source: parsePlace(source), target: parsePlace(target) };
  const inMachines = Object.values(places).filter(({ kind }) => kind === "machine").length;
  if (inMachines === 0) throw usageError("cli.bad_copy", "neither side is in a machine", SYNTAX);
  if (inMachines === 2) {
    throw usageError(
      "cli.bad_copy",
      "both sides are in machines",
      `copy through this host: smolvm cp ${source} - | smolvm cp - NAME:DIRECTORY`,
    );
  }
  return places;
}
