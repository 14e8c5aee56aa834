import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Answers are a few lines about engines or layers. */
const MAX_BYTES = 64 * 1024;

/** What was kept at a path, as it was parsed; undefined when there is nothing, or nothing that can be read. */
export function keptAnswer(path: string): unknown {
  try {
    if (statSync(path).size > MAX_BYTES) return undefined;
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Keeps what it took a trial of this host to find out. A cache that cannot be written is no reason to fail. */
export function keepAnswer(path: string, answer: unknown): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, JSON.stringify(answer), { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch {
    removeIfThere(temporary);
  }
}

function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is in a directory that nobody can write.
  }
}
