import { readFileSync, rmSync } from "node:fs";
import { writeComponents } from "../../build/components.ts";
import { writeErofs } from "../../build/erofs.ts";
import { architecture, EPOCH_SECONDS, root } from "../../build/host.ts";
import { muslCompile, muslComponent, muslLicence, muslPins } from "../../build/musl.ts";
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

/** Makes `system.erofs` and returns its directory. */
export async function systemImage(): Promise<string> {
  const arch = architecture();
  const agent = `${root}/agent`;
  const pins = { wheel: wheels[arch], ...(await muslPins(agent, "compiles the guest's init")) };
  return await part("system", { recipe: import.meta.path, pins }, async (out) => {
    const tree = await installedTree(arch, out);
    const taken = takePrograms(tree, apkArchitectures[arch], programs);
    const init = await compileInit(agent, out);
    await writeErofs(writeTar(systemEntries(taken.entries, init), EPOCH_SECONDS), `${out}/system.erofs`);
    const origin = { release: releaseOf(tree), from: wheelName(arch), sha256: wheels[arch].sha256 };
    const components = apkComponents(taken.packages, origin, "system");
    const linked = muslComponent(pins.musl, "system", "/init");
    writeComponents(out, [...components, linked], [...apkLicences(), ...muslLicence(pins.musl.version)]);
  });
}

async function compileInit(agent: string, out: string): Promise<Buffer> {
  const output = `${out}/init`;
  await muslCompile(agent, output);
  const program = readFileSync(output);
  rmSync(output);
  return program;
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
