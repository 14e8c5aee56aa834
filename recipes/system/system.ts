import { readdirSync, readFileSync, rmSync } from "node:fs";
import { ensureInstalled } from "../../build/apt.ts";
import { type LicenceText, writeComponents } from "../../build/components.ts";
import { writeErofs } from "../../build/erofs.ts";
import { architecture, EPOCH_SECONDS, root, run, sha256, sha256File } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { type TarEntry, writeTar } from "../../build/tar.ts";
import { apkComponents, apkLicences } from "../alpine/components.ts";
import { releaseOf } from "../alpine/minimal-root.ts";
import { apkArchitectures, installedTree, wheelName, wheels } from "../alpine/sources.ts";
import { beneath } from "./beneath.ts";
import { takePrograms } from "./programs.ts";

/**
 * The system image: what a guest runs before and beside the workload, the same for every machine. `/init` (our own C,
 * linked statically with musl), and Alpine's busybox and e2fsprogs with the libraries that these need.
 */

/** busybox for errands, e2fsprogs for the disks. */
const programs = ["bin/busybox", "sbin/e2fsck", "usr/sbin/resize2fs"];

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
  "tar",
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

/**
 * For size: with musl, a fifth of what it is with glibc, and half the time from execve(2) to main(). Kernel headers are
 * the distribution's, which musl's own directory lacks.
 */
const compileFlags = [
  "-std=gnu11",
  "-Os",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-static",
  "-s",
  "-ffunction-sections",
  "-fdata-sections",
  "-Wl,--gc-sections",
  "-Wl,--build-id=none",
];

/** Makes `system.erofs` and returns its directory. */
export async function systemImage(): Promise<string> {
  await ensureInstalled(["gcc", "musl-tools", "linux-libc-dev"], "compiles the guest's init");
  const arch = architecture();
  const guest = guestSources();
  const library = `/usr/lib/${apkArchitectures[arch]}-linux-musl/libc.a`;
  const pins = {
    wheel: wheels[arch],
    guest: guest.map(({ name, text }) => `${name} ${sha256(text)}`),
    compiler: await run(["musl-gcc", "--version"]),
    musl: { version: await muslVersion(), sha256: await sha256File(library) },
  };
  return await part("system", { recipe: import.meta.path, pins }, async (out) => {
    const tree = await installedTree(arch, out);
    const taken = takePrograms(tree, apkArchitectures[arch], programs);
    const init = await compileInit(guest, out);
    await writeErofs(writeTar(systemEntries(taken.entries, init), EPOCH_SECONDS), `${out}/system.erofs`);
    const origin = { release: releaseOf(tree), from: wheelName(arch), sha256: wheels[arch].sha256 };
    const components = apkComponents(taken.packages, origin, "system");
    const linked = {
      name: "musl (in /init)",
      ...pins.musl,
      source: "the build machine's package musl-dev",
      licence: "MIT",
      part: "system" as const,
    };
    writeComponents(out, [...components, linked], [...apkLicences(), ...muslLicence(pins.musl.version)]);
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
  const machine = (await run(["gcc", "-print-multiarch"])).trim();
  const headers = ["/usr/include", `/usr/include/${machine}`].flatMap((path) => ["-idirafter", path]);
  await run(["musl-gcc", ...compileFlags, ...headers, "-o", output, ...names], { cwd: `${root}/agent` });
  const program = readFileSync(output);
  rmSync(output);
  return program;
}

async function muslVersion(): Promise<string> {
  return await run(["dpkg-query", "-W", "-f", "\u0024{Version}", "musl-dev"]);
}

/** musl's copyright file stands for what is linked into /init and for Alpine's build of it. */
function muslLicence(version: string): LicenceText[] {
  return [{ title: `musl ${version}`, text: readFileSync("/usr/share/doc/musl-dev/copyright", "utf8") }];
}

/** Everything in the image, in the order of its paths. */
function systemEntries(taken: readonly TarEntry[], init: Buffer): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const add = (path: string, mode: number, content: TarEntry["content"]) =>
    addWithParents(entries, { path, uid: 0, gid: 0, mode, content });
  for (const path of directories) add(path, path === "tmp" ? 0o1777 : 0o755, { directory: true });
  for (const [path, text] of Object.entries(texts)) add(path, 0o644, { file: Buffer.from(text) });
  for (const entry of [...taken, ...beneath()]) addWithParents(entries, entry);
  for (const name of applets) add(`bin/${name}`, 0o777, { symlink: "busybox" });
  add("init", 0o755, { file: init });
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function addWithParents(entries: Map<string, TarEntry>, entry: TarEntry): void {
  const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf("/")));
  if (parent && !entries.has(parent))
    addWithParents(entries, { path: parent, uid: 0, gid: 0, mode: 0o755, content: { directory: true } });
  entries.set(entry.path, entry);
}
