import { realpathSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { quote } from "../../values/index.ts";
import { Refused } from "../errors.ts";

/**
 * A path of the host that a client may name: it lies in one of the directories that the server's owner has allowed, with
 * every link on the way followed. The resolved path is what is used: a link that is changed later changes nothing.
 *
 * @param roots resolved
 * @throws Refused `FORBIDDEN`, also for what is not there: a client learns nothing about other paths
 */
export function allowedPath(path: string, roots: readonly string[]): string {
  if (!path.startsWith("/")) throw new Refused("BAD_REQUEST", `not an absolute path: ${quote(path)}`);
  const real = resolved(path);
  const isBelow = (root: string) => real === root || real?.startsWith(root === "/" ? "/" : `${root}/`);
  if (real === undefined || !roots.some(isBelow))
    throw new Refused("FORBIDDEN", `the server allows no such path of its host: ${quote(path)}`);
  return real;
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}
