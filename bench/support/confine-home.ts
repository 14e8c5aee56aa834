import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

/** Runs with the environment of an empty home, which is removed afterwards. */
export async function withHome(run: (env: Record<string, string>) => Promise<void>): Promise<void> {
  const home = mkdtempSync(`${tmpdir()}/smolvm-bench-`);
  try {
    await run({ PATH: process.env.PATH ?? "", HOME: home, SMOLVM_DATA_DIR: home });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
