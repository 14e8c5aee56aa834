/** Other tools as judges. They run in directories of the tests; nothing is mounted. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { withJoined } from "./disk.ts";

/** Debian packages that hold the tools. */
const packages: Record<string, string> = {
  "fsck.erofs": "erofs-utils",
  debootstrap: "debootstrap",
  gzip: "gzip",
  setfattr: "attr",
  skopeo: "skopeo",
  tar: "tar",
  umoci: "umoci",
  unshare: "util-linux",
  zstd: "zstd",
};

/** Runs a tool. @throws Error when it fails, or is not installed: then the error names the package to install. */
export function run(command: readonly string[], options: { cwd?: string; stdin?: Uint8Array } = {}): string {
  const [tool = ""] = command;
  if (Bun.which(tool) === null)
    throw new Error(`this test needs ${tool}: apt install ${packages[tool] ?? tool}`);
  const done = Bun.spawnSync([...command], {
    cwd: options.cwd ?? tmpdir(),
    stdin: options.stdin ?? "ignore",
    // The names and messages of the tools in one language; nothing of the user's settings.
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: "C.UTF-8", HOME: tmpdir(), ...proxies() },
  });
  if (done.exitCode === 0) return done.stdout.toString();
  throw new Error(`${command.join(" ")}: exit code ${done.exitCode}: ${done.stderr.toString().trim()}`);
}

function proxies(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (/^(https?|no|all)_proxy$/i.test(name) && value !== undefined) found[name] = value;
  }
  return found;
}

/** A directory for the duration of one test, gone afterwards. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "smolvm-conformance-"));

  directory(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Where tests keep what is expensive to make. */
export function testCache(): string {
  const directory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "smolvm-test");
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Unpacks an archive with everything that GNU tar can restore. */
export function unpackWithTar(archive: string, directory: string): void {
  run([
    "tar",
    "--extract",
    `--file=${archive}`,
    `--directory=${directory}`,
    "--numeric-owner",
    "--preserve-permissions",
    "--same-owner",
    "--xattrs",
    "--xattrs-include=*",
    "--delay-directory-restore",
  ]);
}

/** Has fsck.erofs check an image: a file, or the disk that a descriptor (`.vmdk`) joins. */
export function checkWithFsck(image: string): void {
  withJoined(image, (joined) => run(["fsck.erofs", joined]));
}

/** What is in a cache beyond its directories and the lock that always stays. */
export function leftovers(cacheDir: string): string[] {
  const expected = /^images(\/(sources|layers|refs|store\.lock))?$/;
  return readdirSync(cacheDir, { recursive: true })
    .map(String)
    .filter((name) => !expected.test(name));
}

/** The tests that restore owners and devices only mean something as root. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new Error("this test compares owners and devices: run it as root (sudo)");
}
