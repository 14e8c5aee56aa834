import { readFileSync } from "node:fs";
import { installNewest, withLists } from "../../build/apt.ts";
import { run } from "../../build/host.ts";

/** Finds a cargo that is new enough for the crate, or installs one from the distribution. */

export interface Cargo {
  readonly command: string;
  /** What has to be in its environment: the compiler that belongs to it, when it is not `rustc`. */
  readonly env: Record<string, string>;
}

/** The oldest Rust that compiles the pinned crates, as the crate itself declares it. */
function wanted(): string {
  const manifest = readFileSync(`${import.meta.dir}/Cargo.toml`, "utf8");
  return manifest.match(/^rust-version = "(.*)"$/m)?.[1] ?? "1.0";
}

/**
 * The cargo to call: the one on PATH if new enough; else the distribution's `cargo`, its newer `cargo-web`
 * (Debian) or `cargo-1.NN` (Ubuntu), whichever is new enough first.
 *
 * @throws Error when there is none.
 */
export async function findCargo(): Promise<Cargo> {
  const least = wanted();
  const present = Bun.which("cargo");
  if (present && isAtLeast(await installedVersion(present), least)) return { command: present, env: {} };
  return await withLists(() => installCargo(least));
}

async function installCargo(least: string): Promise<Cargo> {
  for (const name of ["cargo", "cargo-web", ...(await versionedPackages())]) {
    if (!isAtLeast(await candidateVersion(name), least)) continue;
    await installNewest([name], "compiles libkrun"); // an older one may be installed
    const version = name.match(/-1.*$/)?.[0] ?? "";
    const command = `/usr/bin/cargo${version}`;
    const env: Record<string, string> = version ? { RUSTC: `/usr/bin/rustc${version}` } : {};
    if (isAtLeast(await installedVersion(command), least)) return { command, env };
  }
  throw new Error(`libkrun needs cargo ${least} or newer, which neither PATH nor apt has`);
}

async function installedVersion(command: string): Promise<string> {
  try {
    return (await run([command, "--version"])).split(" ")[1] ?? "0";
  } catch {
    return "0"; // a rustup shim without a toolchain
  }
}

async function candidateVersion(name: string): Promise<string> {
  const policy = await run(["apt-cache", "policy", name]);
  return policy.match(/^ {2}Candidate: (?:\d+:)?(\d[\d.]*)/m)?.[1] ?? "0";
}

/** Ubuntu's `cargo-1.85` and the like, newest first. */
async function versionedPackages(): Promise<string[]> {
  const names = await run(["apt-cache", "pkgnames", "cargo-1."]);
  return names.split("\n").filter(Boolean).sort(byVersion).reverse();
}

function byVersion(a: string, b: string): number {
  return isAtLeast(a.slice(6), b.slice(6)) ? 1 : -1;
}

/** Whether version `have` is not older than `need`; dotted numbers, as many as `need` has. */
export function isAtLeast(have: string, need: string): boolean {
  const left = have.split(".").map(Number);
  for (const [index, part] of need.split(".").map(Number).entries()) {
    const difference = (left[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
