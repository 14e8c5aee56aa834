/** What goes with a pack for hosts that have no smolvm: this very program, and those of other platforms' releases. */
import { closeSync, fchmodSync, fstatSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { NewFile } from "../image/newfile.ts";
import { hostName } from "./create.ts";
import { unwritable } from "./failure.ts";
import { keptRuntime } from "./kept-runtime.ts";
import type { RuntimeFile } from "./write.ts";

export interface RuntimeOptions {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  readonly signal?: AbortSignal | undefined;
  /** Called before the work begins; not at all when there is none. */
  readonly onWork?: (() => void) | undefined;
}

export interface OwnRuntimeOptions extends RuntimeOptions {
  /** Changes with the program: the build's identifier. */
  readonly buildId: string;
  /** The program's own file. */
  readonly program: string;
}

export const runtimesDirectory = (cacheDir: string) => `${cacheDir}/packing`;

/**
 * The runtime section of a pack for hosts such as this one.
 *
 * @throws SmolError `pack.no_space`, `pack.unwritable`; the signal's reason
 */
export async function ownRuntime(options: OwnRuntimeOptions): Promise<RuntimeFile> {
  const { cacheDir, buildId, program, signal, onWork } = options;
  const open = async () => {
    onWork?.();
    const fd = openSync(program, "r");
    return { fd, bytes: fstatSync(fd).size, [Symbol.dispose]: () => closeSync(fd) };
  };
  const content = { platform: hostName(), key: buildId.slice(0, 16), open };
  return await keptRuntime(runtimesDirectory(cacheDir), content, signal);
}

/**
 * Writes the launcher (stub/) that is in front of a pack, an executable file that appears in one step.
 *
 * @param launcher its file, or its bytes
 * @throws SmolError `pack.no_space`, `pack.unwritable`
 */
export function writeLauncher(launcher: string | Uint8Array, path: string): void {
  try {
    const file = new NewFile(dirname(path));
    try {
      file.writeAt(typeof launcher === "string" ? readFileSync(launcher) : launcher, 0);
      fchmodSync(file.fd, 0o777 & ~process.umask());
      file.commit(path);
    } finally {
      file.discard();
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}
