import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { ensureInstalled, extractPackages, withFreshLists } from "../../build/apt.ts";
import { type Architecture, EPOCH_SECONDS, run, say } from "../../build/host.ts";
import { formatConfig, readConfig, unfulfilled, type Wanted } from "./fragments.ts";
import type { KernelSource } from "./source.ts";

/** What `make` needs besides a shell and the compiler: Documentation/process/changes.rst. */
const tools = ["bc", "bison", "flex", "libc6-dev", "libelf-dev", "make", "patch", "perl", "xz-utils"];

/** What is made, where it is then, and how it becomes what the engines load. */
const targets = {
  // The ELF file has the PVH note for QEMU and the 64-bit entry for libkrun; symbols are for debuggers.
  x64: { arch: "x86_64", target: "vmlinux", file: "vmlinux", strip: true },
  arm64: { arch: "arm64", target: "Image", file: "arch/arm64/boot/Image", strip: false },
} as const;

/** Our changes to Linux, in the order of their names. Each begins with its reason. */
export function patches(): { name: string; text: string }[] {
  const folder = `${import.meta.dir}/patches`;
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, text: readFileSync(`${folder}/${name}`, "utf8") }));
}

/**
 * Unpacks the source into `out`/package, configures and compiles it there, and leaves in `out` the `kernel` and its
 * complete configuration, `config`. What is below `package` is the caller's to remove.
 *
 * @throws Error when a patch does not apply as it is, or one that names every wanted symbol which this source's Kconfig does not grant.
 */
export async function compileKernel(
  source: KernelSource,
  wishes: Wanted,
  architecture: Architecture,
  out: string,
): Promise<void> {
  await ensureInstalled(tools, "compiles the kernel");
  const unpacked = `${out}/package`;
  await withFreshLists(() => extractPackages([source.package], source.sources, unpacked));
  const { name } = source.package;
  await run(["tar", "-xJf", `${unpacked}/usr/src/${name}.tar.xz`, "-C", unpacked]);
  const tree = `${unpacked}/${name}`;
  for (const { name: patch } of patches()) {
    const exactly = ["--forward", "--fuzz=0", "--no-backup-if-mismatch"];
    await run(["patch", "-p1", "-s", ...exactly, "-i", `${import.meta.dir}/patches/${patch}`], { cwd: tree });
  }
  const { arch, target, file, strip } = targets[architecture];
  const make = (...words: string[]) =>
    run(["make", "-s", `ARCH=${arch}`, ...words], { cwd: tree, env: fixed });

  // Beside the tree: not a name that the tree's own scripts look for.
  writeFileSync(`${unpacked}/wanted.config`, formatConfig(wishes));
  await make(`KCONFIG_ALLCONFIG=${unpacked}/wanted.config`, "allnoconfig");
  const missing = unfulfilled(wishes, readConfig(readFileSync(`${tree}/.config`, "utf8")));
  if (missing.length > 0) throw new Error(`${name} does not grant ${missing.join(", ")}`);

  say(`kernel: compiling ${name} ${source.package.version} (some minutes, once)`);
  await make(`-j${availableParallelism()}`, target);
  if (strip) await run(["strip", "--strip-all", "-o", `${out}/kernel`, `${tree}/${file}`]);
  else copyFileSync(`${tree}/${file}`, `${out}/kernel`);
  copyFileSync(`${tree}/.config`, `${out}/config`);
}

/** Nothing of the machine or the day gets into the image; answers to programs come in English. */
const fixed = {
  KBUILD_BUILD_TIMESTAMP: new Date(EPOCH_SECONDS * 1000).toUTCString(),
  KBUILD_BUILD_USER: "smolvm",
  KBUILD_BUILD_HOST: "smolvm",
  KBUILD_BUILD_VERSION: "1",
  LOCALVERSION: "",
};
