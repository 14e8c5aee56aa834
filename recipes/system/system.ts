import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { basename } from "node:path";
import {
  type DebianPackage,
  distribution,
  distributionSources,
  ensureInstalled,
  extractPackages,
  resolvePackages,
  withFreshLists,
} from "../../build/apt.ts";
import { writeComponents } from "../../build/components.ts";
import { debianComponent, debianLicences } from "../../build/debian-licences.ts";
import { readDynamic } from "../../build/elf.ts";
import { writeErofs } from "../../build/erofs.ts";
import { EPOCH_SECONDS, multiarch, root, run, sha256 } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { type TarEntry, writeTar } from "../../build/tar.ts";

/**
 * The system image: what a guest runs before and beside the workload, the same for every machine. `/init` (our own C,
 * linked statically), busybox for its few errands, e2fsprogs for the disks, and the shared libraries that those
 * and the agent's Bun need. The agent itself comes from the host's own executable.
 */

/** Taken apart for single files; none of their scripts run. */
const packages = ["busybox-static", "e2fsprogs", "libc6"];

/** Programs beside busybox. */
const programs = ["sbin/mke2fs", "sbin/e2fsck", "sbin/resize2fs"];

/** The names under which busybox is called; everything else is `busybox NAME`. */
const applets = [
  "cat",
  "chroot",
  "dmesg",
  "ip",
  "ls",
  "mkdir",
  "mount",
  "ps",
  "sh",
  "sleep",
  "sync",
  "umount",
];

/** Mount points, and places where the guest keeps what it makes. */
const directories = [
  "bin",
  "dev",
  "etc",
  "lib",
  "mnt",
  "newroot",
  "proc",
  "root",
  "run",
  "sbin",
  "sys",
  "tmp",
  "workload",
];

const texts: Record<string, string> = {
  "etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
  "etc/group": "root:x:0:\n",
  "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
};

/** Makes `system.erofs` and returns its directory. */
export function systemImage(): Promise<string> {
  return withFreshLists(makeSystemImage);
}

async function makeSystemImage(): Promise<string> {
  await ensureInstalled(["gcc", "libc6-dev"], "compiles the guest's init");
  const sources = await distributionSources();
  const resolved = await resolvePackages(packages, sources);
  const guest = guestSources();
  const pins = {
    packages: resolved.map(({ sha256 }) => sha256),
    guest: guest.map(({ text }) => sha256(text)),
    runtime: readDynamic(readFileSync(process.execPath)),
    compiler: await run(["cc", "--version"]),
  };
  return await part("system", { recipe: import.meta.path, pins }, async (out) => {
    const tree = `${out}/tree`;
    mkdirSync(tree);
    await extractPackages(resolved, sources, tree);
    const init = await compileInit(guest, out);
    const entries = systemEntries(tree, init, pins.runtime.needed);
    await writeErofs(writeTar(entries, EPOCH_SECONDS), `${out}/system.erofs`);
    writeSystemComponents(out, tree, resolved);
    rmSync(tree, { recursive: true });
  });
}

/** The guest's C sources, which become one static program. */
function guestSources(): { name: string; text: string }[] {
  const names = readdirSync(`${root}/agent`).filter((name) => /\.[ch]$/.test(name));
  if (!names.includes("main.c")) throw new Error("agent/main.c is missing: a guest cannot start without it");
  return names.sort().map((name) => ({ name, text: readFileSync(`${root}/agent/${name}`, "utf8") }));
}

async function compileInit(sources: { name: string }[], out: string): Promise<Buffer> {
  const names = sources.map(({ name }) => name).filter((name) => name.endsWith(".c"));
  const output = `${out}/init`;
  const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-Wl,--build-id=none"];
  await run(["cc", ...flags, "-o", output, ...names], { cwd: `${root}/agent` });
  const program = readFileSync(output);
  rmSync(output);
  return program;
}

/** Everything in the image, in the order of its paths. */
function systemEntries(tree: string, init: Buffer, runtimeNeeds: readonly string[]): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const add = (path: string, mode: number, content: TarEntry["content"]) => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent && !entries.has(parent)) add(parent, 0o755, { directory: true });
    entries.set(path, { path, mode, content });
  };
  for (const path of directories) add(path, path === "tmp" ? 0o1777 : 0o755, { directory: true });
  for (const [path, text] of Object.entries(texts)) add(path, 0o644, { file: Buffer.from(text) });
  add("init", 0o755, { file: init });
  add("bin/busybox", 0o755, { file: readFromPackages(tree, "bin/busybox") });
  for (const name of applets) add(`bin/${name}`, 0o777, { symlink: "busybox" });

  const pending = [...runtimeNeeds];
  const interpreters = new Set<string>();
  for (const path of programs) {
    const file = readFromPackages(tree, path);
    const { interpreter, needed } = readDynamic(file);
    if (interpreter) interpreters.add(interpreter.slice(1));
    pending.push(...needed);
    add(path, 0o755, { file });
  }
  for (const path of interpreters) {
    // Packages have a link there; the file itself is with the libraries.
    add(path, 0o755, { file: readFromPackages(tree, `lib/${multiarch()}/${basename(path)}`) });
  }
  const present = new Set([...interpreters].map((path) => basename(path)));
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (present.has(name)) continue;
    present.add(name);
    const path = `lib/${multiarch()}/${name}`;
    const file = readFromPackages(tree, path);
    pending.push(...readDynamic(file).needed);
    add(path, 0o755, { file });
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A file of the unpacked packages, which keep it below `/` or, where `/usr` is merged, below `/usr`. */
function readFromPackages(tree: string, path: string): Buffer {
  const found = [`${tree}/${path}`, `${tree}/usr/${path}`].find((place) => existsSync(place));
  if (!found) throw new Error(`no package contains ${path}`);
  const real = realpathSync(found);
  if (!real.startsWith(`${realpathSync(tree)}/`)) throw new Error(`${path} leads out of its packages`);
  return readFileSync(real);
}

function writeSystemComponents(out: string, tree: string, resolved: readonly DebianPackage[]): void {
  const components = resolved.map((entry) => debianComponent(entry, distribution(), "system"));
  writeComponents(out, components, debianLicences(tree, resolved));
}
