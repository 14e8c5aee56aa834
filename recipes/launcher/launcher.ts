import { readFileSync } from "node:fs";
import { ensureInstalled } from "../../build/apt.ts";
import { writeComponents } from "../../build/components.ts";
import { root, run, sha256 } from "../../build/host.ts";
import { muslCompile, muslComponent, muslLicence, muslPins } from "../../build/musl.ts";
import { part } from "../../build/parts.ts";

/** The two small programs of launcher/, for Linux. */

const folder = `${root}/launcher`;
const KRUN = `${folder}/krun/krun.c`;

/** Makes `launcher`, which confines a process and becomes another program; static, so that it starts fast. */
export async function launcher(): Promise<string> {
  const pins = await muslPins(folder, "compiles what confines machines");
  return await part("launcher", { recipe: import.meta.path, pins }, async (out) => {
    await muslCompile(folder, `${out}/launcher`);
    const { musl } = pins;
    writeComponents(
      out,
      [muslComponent(musl, "launcher", "the launcher of machines")],
      muslLicence(musl.version),
    );
  });
}

/** Makes `krun`, which calls libkrun; like that library it takes the host's C library. */
export async function krunProgram(): Promise<string> {
  await ensureInstalled(["gcc", "libc6-dev"], "compiles what calls libkrun");
  const pins = { source: sha256(readFileSync(KRUN)), compiler: await run(["gcc", "--version"]) };
  return await part("krun", { recipe: import.meta.path, pins }, async (out) => {
    // Its functions come before the C library's for libkrun too, for which they have to be in its symbol table.
    const flags = ["-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", "-s", "-rdynamic"];
    await run(["gcc", ...flags, "-o", `${out}/krun`, KRUN, "-ldl"]);
    writeComponents(out, []);
  });
}
