import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For tests: the whole program, run from source. */
export const MAIN = join(import.meta.dir, "../main.ts");

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program with nothing but PATH and HOME in its environment. */
export function smolvm(argv: readonly string[], env: Record<string, string> = {}): Outcome {
  const home = mkdtempSync(join(tmpdir(), "smolvm-home-"));
  try {
    const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, MAIN, ...argv], {
      env: { PATH: process.env.PATH ?? "", HOME: home, ...env },
      stdin: "ignore",
    });
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  } finally {
    rmSync(home, { recursive: true });
  }
}
