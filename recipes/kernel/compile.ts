import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { ensureInstalled, extractPackages, withFreshLists } from "../../build/apt.ts";
import { architecture, run, say } from "../../build/host.ts";
import { type PartInputs, part } from "../../build/parts.ts";
import { formatConfig, readConfig, unfulfilled, wanted } from "./fragments.ts";
import type { KernelSource } from "./source.ts";
import { configureTarget, environment, patchCommand, products, tools } from "./steps.ts";

/** Our changes to Linux, in the order of their names. Each begins with its reason. */
function patches(): { path: string; text: string }[] {
  const folder = `${import.meta.dir}/patches`;
  const paths = readdirSync(folder).map((name) => `${folder}/${name}`);
  return paths.sort().map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

/** What the compiled kernel is known by. The compiler has to be installed. */
export async function linuxInputs(source: KernelSource): Promise<PartInputs> {
  const pins = {
    source: source.package.sha256,
    config: formatConfig(wanted(architecture())),
    patches: patches().map(({ text }) => text),
    compiler: await Promise.all([run(["gcc", "--version"]), run(["ld", "--version"])]),
  };
  return { recipe: `${import.meta.dir}/steps.ts`, pins };
}

/** Makes the part `linux` of `kernel`, its complete configuration `config`, and `copyright`; returns its directory. */
export async function linux(source: KernelSource): Promise<string> {
  await ensureInstalled(["gcc"], "compiles the kernel");
  return await part("linux", await linuxInputs(source), async (out) => {
    await ensureInstalled(tools, "compiles the kernel");
    const unpacked = `${out}/package`;
    await withFreshLists(() => extractPackages([source.package], source.sources, unpacked));
    const { name } = source.package;
    copyFileSync(`${unpacked}/usr/share/doc/${name}/copyright`, `${out}/copyright`);
    await run(["tar", "-xJf", `${unpacked}/usr/src/${name}.tar.xz`, "-C", unpacked]);
    await compile(`${unpacked}/${name}`, source, out);
    rmSync(unpacked, { recursive: true });
  });
}

/**
 * Patches, configures and compiles the source in `tree`; leaves `kernel` and `config` in `out`.
 *
 * @throws Error when a patch does not apply; one that names every wanted symbol which this source does not grant.
 */
async function compile(tree: string, source: KernelSource, out: string): Promise<void> {
  for (const { path } of patches()) await run([...patchCommand, "-i", path], { cwd: tree });
  const { arch, target, file, strip } = products[architecture()];
  const make = (...words: string[]) =>
    run(["make", "-s", `ARCH=${arch}`, ...words], { cwd: tree, env: environment });

  const wishes = wanted(architecture());
  // Beside the tree: not a name that the tree's own scripts look for.
  const list = `${tree}.wanted`;
  writeFileSync(list, formatConfig(wishes));
  await make(`KCONFIG_ALLCONFIG=${list}`, configureTarget);
  const missing = unfulfilled(wishes, readConfig(readFileSync(`${tree}/.config`, "utf8")));
  if (missing.length > 0) throw new Error(`${source.package.name} does not grant ${missing.join(", ")}`);

  say(`kernel: compiling ${source.package.name} ${source.package.version} (some minutes, once)`);
  await make(`-j${availableParallelism()}`, target);
  if (strip) await run([...strip, "-o", `${out}/kernel`, `${tree}/${file}`]);
  else copyFileSync(`${tree}/${file}`, `${out}/kernel`);
  copyFileSync(`${tree}/.config`, `${out}/config`);
}
