/** Programs of these tests for other runtimes than Bun: one file each, as a bundler makes it for users. */
import { mkdtempSync } from "node:fs";
import { basename } from "node:path";

/** @returns the path of a program that Bun and Node run */
export async function bundle(entry: string): Promise<string> {
  const outdir = mkdtempSync("/tmp/sdk-bundle-");
  const made = await Bun.build({
    entrypoints: [entry],
    target: "node",
    format: "esm",
    outdir,
    naming: "[name].mjs",
  });
  if (!made.success) throw new Error(made.logs.map(String).join("\n"));
  return `${outdir}/${basename(entry, ".ts")}.mjs`;
}
