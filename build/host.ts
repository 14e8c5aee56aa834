import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** What every recipe needs from the machine it runs on: progress lines, commands, its kind, where to cache. */

/** The instant that every file we make carries (2025-01-01T00:00:00Z): the same inputs give the same bytes. */
export const EPOCH_SECONDS = 1735689600;

/** The checkout. */
export const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

export type Architecture = "x64" | "arm64";

/** The processor this build is for, which is always the one it runs on. */
export function architecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(`smolvm is built for x64 and arm64; this is ${process.arch}`);
}

/** `x86_64-linux-gnu`: the directory of shared libraries in Debian's multiarch layout. */
export function multiarch(): string {
  return architecture() === "x64" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
}

/** Where built parts are kept: shared by all checkouts, safe to delete at any time. */
export function cacheRoot(): string {
  const { SMOLVM_BUILD_CACHE, XDG_CACHE_HOME, HOME } = process.env;
  if (SMOLVM_BUILD_CACHE?.startsWith("/")) return SMOLVM_BUILD_CACHE;
  if (XDG_CACHE_HOME?.startsWith("/")) return `${XDG_CACHE_HOME}/smolvm-build`;
  return HOME?.startsWith("/") ? `${HOME}/.cache/smolvm-build` : `${root}/.cache/smolvm-build`;
}

/** One progress line; stdout belongs to the program that `./dev smolvm` runs. */
export function say(text: string): void {
  process.stderr.write(`build: ${text}\n`);
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Record<string, string>;
}

/**
 * Runs a command to its end, without a shell.
 *
 * @returns what it wrote to stdout.
 * @throws Error with the end of its stderr when it fails or is not installed.
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const child = Bun.spawn([...command], {
    cwd: options.cwd ?? root,
    env: { ...process.env, LC_ALL: "C", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, complaint, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code === 0) return output;
  const tail = complaint.trimEnd().split("\n").slice(-20).join("\n");
  throw new Error(`${command.join(" ")}: exit ${code}\n${tail}`);
}

/** The command as root: as it is when we are root, by sudo otherwise. */
export function asRoot(command: readonly string[]): string[] {
  if (process.getuid?.() === 0) return [...command];
  if (Bun.which("sudo")) return ["sudo", ...command];
  throw new Error(`this needs root or sudo: ${command.join(" ")}`);
}

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The SHA-256 of a whole file, read as a stream. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}
