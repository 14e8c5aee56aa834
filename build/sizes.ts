import { statSync } from "node:fs";
import type { PackedAssets } from "./assemble.ts";
import { say } from "./host.ts";
import { compressedSize } from "./pack.ts";

/** Limits of what is shipped, in bytes: the file as it is, and as people download it (zstd -19). */
const LIMIT_PLAIN = 220e6;
const LIMIT_COMPRESSED = 90e6;

/** Tells where the program's bytes go. @throws Error when the program is over its limits. */
export async function printSizes(program: string, packed: PackedAssets): Promise<void> {
  const total = statSync(program).size;
  const bun = statSync(process.execPath).size;
  const assets = Object.values(packed).reduce((sum, { packedSize }) => sum + packedSize, 0);
  const row = (name: string, size: number, note = "") =>
    say(`  ${name.padEnd(22)}${(size / 1e6).toFixed(2).padStart(8)} MB  ${note}`);
  say("sizes:");
  row("Bun", bun);
  for (const [name, { packedSize, size }] of Object.entries(packed)) {
    row(name, packedSize, `unpacked ${(size / 1e6).toFixed(1)} MB`);
  }
  row("our code, texts", total - bun - assets);
  row("dist/smolvm", total);
  if (total > LIMIT_PLAIN) throw new Error(`dist/smolvm is larger than ${LIMIT_PLAIN / 1e6} MB`);

  // What is added to Bun is compressed already, all but our own code. A quick compression bounds a good one, which
  // takes minutes and is needed only if that bound does not settle it.
  const quick = (await compressedSize(process.execPath, "fast")) + total - bun;
  row("compressed, at most", quick, "zstd -3; -19 gives less");
  if (quick <= LIMIT_COMPRESSED) return;
  const thorough = (await compressedSize(process.execPath, "small")) + total - bun;
  row("compressed, at most", thorough, "zstd -19");
  if (thorough > LIMIT_COMPRESSED)
    throw new Error(`dist/smolvm is over ${LIMIT_COMPRESSED / 1e6} MB compressed`);
}
