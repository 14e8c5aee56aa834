import { posix } from "node:path";
import { SmolError } from "../../errors.ts";
import { quote } from "../../values/index.ts";

/** What a container is to see of its machine, as people say it: paths of the machine and of the container. */
export interface ContainerVolume {
  /** Below /storage or /workspace. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Which part of the storage disk each of the machine's paths is (root/storage.ts). */
const PLACES: readonly (readonly [path: string, part: string])[] = [
  ["/storage", ""],
  ["/workspace", "workspace"],
];

/** What belongs to containers themselves (root/depot.ts). */
const HIDDEN = ".smolvm";

/**
 * Where a volume is on the storage disk. Nothing else of the machine can be seen in a container: the rest belongs to
 * another root.
 *
 * @throws SmolError `container.bad_volume`
 */
export function bindOf({ source, target, readOnly }: ContainerVolume): {
  source: string;
  target: string;
  readOnly: boolean;
} {
  const at = clean(target);
  if (!isPlain(target) || at === "/")
    throw bad(`the place of a volume must be an absolute path in the container, not ${quote(target)}`);
  if (!isPlain(source)) throw bad(`a volume must be an absolute path in the machine, not ${quote(source)}`);
  const path = clean(source);
  for (const [place, part] of PLACES) {
    if (path !== place && !path.startsWith(`${place}/`)) continue;
    const below = path.slice(place.length + 1);
    const joined = [part, below].filter((piece) => piece !== "").join("/");
    if (joined === HIDDEN || joined.startsWith(`${HIDDEN}/`)) break;
    return { source: joined, target: at, readOnly };
  }
  throw bad(
    `a container sees no ${quote(source)} of its machine`,
    "use a directory below /storage or /workspace, e.g. -v /storage/data:/data",
  );
}

/** What is longer than a path can be, or could mean something else to the guest's kernel, is none. */
function isPlain(path: string): boolean {
  return (
    path.startsWith("/") && path.length < 4096 && !path.includes("\0") && !path.split("/").includes("..")
  );
}

const clean = (path: string): string => posix.normalize(path).replace(/(?<=.)\/+$/, "");

function bad(message: string, hint?: string): SmolError {
  return new SmolError("container.bad_volume", message, { hint, exitCode: 2 });
}
