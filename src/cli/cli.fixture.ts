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
  using home = new CliHome();
  return home.smolvm(argv, { env });
}

interface Surroundings {
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What comes on stdin, which then ends; at least a byte. Default: /dev/null. */
  readonly stdin?: string | undefined;
}

/** A user's home of its own, for several commands. */
export class CliHome {
  readonly path = mkdtempSync(join(tmpdir(), "smolvm-home-"));

  smolvm(argv: readonly string[], surroundings: Surroundings = {}): Outcome {
    return this.#run([process.execPath, MAIN, ...argv], surroundings);
  }

  /** Runs a script of bash, in which `"$BUN" "$MAIN"` is the program. */
  shell(script: string): Outcome {
    return this.#run(["bash", "-c", script], { env: { BUN: process.execPath, MAIN } });
  }

  #run(command: string[], { env, stdin }: Surroundings): Outcome {
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
      env: { PATH: process.env.PATH ?? "", HOME: this.path, ...env },
      stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
    });
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}
