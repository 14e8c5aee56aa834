import { rmSync } from "node:fs";

/**
 * Removes a file of this process's, if it is there and this process may: what a machine's process may not remove any more,
 * another one removes after its end (docs/design/confinement.md).
 */
export function removeIfAllowed(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Its name stays for a while, and nobody answers there.
  }
}
