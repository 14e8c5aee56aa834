import type { Home } from "./home.ts";
import type { Result } from "./process.ts";
import { program } from "./program.ts";

/**
 * Runs a script in which `disk/` is a filesystem of its own of that size, in a mount namespace of its own: the host
 * does not see it. The cache of `$PROGRAM` is there.
 */
export async function onDisk(home: Home, size: string, script: string): Promise<Result> {
  const user = process.getuid?.() === 0 ? [] : ["-r"];
  const inside = `mkdir -p disk && mount -t tmpfs -o size=${size} none disk && export XDG_CACHE_HOME=$PWD/disk && ${script}`;
  return await home.shell(`unshare ${user.join(" ")} -m --propagation private bash -c '${inside}'`, {
    env: { PROGRAM: program },
  });
}
