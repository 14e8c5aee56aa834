import { existsSync, rmSync } from "node:fs";
import { distribution, ensureInstalled } from "../../build/apt.ts";
import { type Component, writeComponents } from "../../build/components.ts";
import { debianLicences } from "../../build/debian-licences.ts";
import { architecture, run, say } from "../../build/host.ts";
import { type PartInputs, part, partDirectory } from "../../build/parts.ts";
import { compileKernel, patches } from "./compile.ts";
import { formatConfig, wanted } from "./fragments.ts";
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
  if (scope === "full") return await ownKernel(source);
  const isMade = Bun.which("gcc") !== null && existsSync(partDirectory("kernel", await inputs(source)));
  return isMade ? await ownKernel(source) : await prebuiltKernel();
}

/** Makes `kernel` (and `config`, the complete configuration) and returns their directory. */
async function ownKernel(source: KernelSource): Promise<string> {
  await ensureInstalled(["gcc"], "compiles the kernel");
  return await part("kernel", await inputs(source), async (out) => {
    await compileKernel(source, wanted(architecture()), architecture(), out);
    const component: Component = {
      name: "linux",
      version: source.package.version,
      source: `${distribution().origin} ${distribution().codename}, package ${source.package.name}, with the patches of recipes/kernel`,
      licence: "GPL-2.0-only WITH Linux-syscall-note",
      sha256: source.package.sha256,
      part: "kernel",
    };
    writeComponents(out, [component], debianLicences(`${out}/package`, [source.package]));
    rmSync(`${out}/package`, { recursive: true });
  });
}

async function inputs(source: KernelSource): Promise<PartInputs> {
  const pins = {
    source: source.package.sha256,
    config: formatConfig(wanted(architecture())),
    patches: patches().map(({ text }) => text),
    // The programs that decide the bytes.
    tools: await Promise.all([run(["gcc", "--version"]), run(["ld", "--version"])]),
  };
  return { recipe: import.meta.path, pins };
}
