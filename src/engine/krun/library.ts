import { accessSync, constants, statSync } from "node:fs";
import { SmolError } from "../../errors.ts";

/**
 * The user's own libkrun instead of the one that this program carries: SMOLVM_LIBKRUN. One of the distribution's may draw
 * on the host's GPU, which ours does not.
 *
 * @returns undefined when it is not set
 * @throws SmolError `engine.bad_libkrun` when it names something else than a file that can be read
 */
export function findLibkrun({
  SMOLVM_LIBKRUN: path,
}: Readonly<Record<string, string | undefined>>): string | undefined {
  if (!path) return undefined;
  if (path.startsWith("/") && isReadable(path)) return path;
  throw new SmolError(
    "engine.bad_libkrun",
    `SMOLVM_LIBKRUN is not the absolute path of a library: ${JSON.stringify(path.slice(0, 200))}`,
    { hint: "set it to the path of a libkrun.so.1, version 1.19 or newer, or unset it" },
  );
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
