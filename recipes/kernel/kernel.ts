import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { distribution } from "../../build/apt.ts";
import { type Component, writeComponents } from "../../build/components.ts";
import { commonLicences } from "../../build/debian-licences.ts";
import { say } from "../../build/host.ts";
import { part, partDirectory } from "../../build/parts.ts";
import { linux, linuxInputs } from "./compile.ts";
import { prebuiltKernel } from "./prebuilt.ts";
import { hasPackages, type KernelSource, kernelSource } from "./source.ts";

/**
 * The guest's kernel: Linux from the distribution's source package with the configuration in `config/`, or the
 * prebuilt one where that source does not exist or nobody has time.
 *
 * @param scope `full`: ours, unless the package sources have no Linux to build. `quick`: ours if it was built before.
 * @returns the directory of the part.
 */
export async function kernel(scope: "full" | "quick"): Promise<string> {
  const source = hasPackages() ? await kernelSource(scope === "full") : undefined;
  if (source === undefined) {
    if (scope === "full")
      say("kernel: no package linux-source of a longterm kernel here, so it is the prebuilt one");
    return await prebuiltKernel();
  }
  return scope === "full" || (await isCompiled(source)) ? await ownKernel(source) : await prebuiltKernel();
}

async function isCompiled(source: KernelSource): Promise<boolean> {
  return Bun.which("gcc") !== null && existsSync(partDirectory("linux", await linuxInputs(source)));
}

/** Makes `kernel` (and `config`, the complete configuration) and returns their directory. */
async function ownKernel(source: KernelSource): Promise<string> {
  const compiled = await linux(source);
  const { name, version, sha256 } = source.package;
  return await part("kernel", { recipe: import.meta.path, pins: basename(compiled) }, async (out) => {
    for (const file of ["kernel", "config"]) copyFileSync(`${compiled}/${file}`, `${out}/${file}`);
    const component: Component = {
      name: "linux",
      version,
      source: `${distribution().origin} ${distribution().codename}, package ${name}, with the patches of recipes/kernel`,
      licence: "GPL-2.0-only WITH Linux-syscall-note",
      sha256,
      part: "kernel",
    };
    const copyright = { title: `${name} ${version}`, text: readFileSync(`${compiled}/copyright`, "utf8") };
    writeComponents(out, [component], [copyright, ...commonLicences(["GPL-2"])]);
  });
}
