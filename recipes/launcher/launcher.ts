import { readFileSync } from "node:fs";
import { ensureInstalled } from "../../build/apt.ts";
import { writeComponents } from "../../build/components.ts";
import { root, run, sha256 } from "../../build/host.ts";
import { muslCompile, muslComponent, muslLicence, muslPins } from "../../build/musl.ts";
import { part } from "../../build/parts.ts";

/** The two small programs of launcher/, and its libraries, for Linux. */

const folder = `${root}/launcher`;
const KRUN = `${folder}/krun/krun.c`;
const THREADS = `${folder}/threads/threads.c`;
const MEMORY = `${folder}/qemu/memory.c`;

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
  // Its functions come before the C library's for libkrun too, for which they have to be in its symbol table.
  return await withHostsLibrary("krun", KRUN, ["-rdynamic"], ["-ldl"]);
}

/** Makes `threads.so`, by which our own process gives all its threads rules of Landlock; with the host's C library, too. */
export async function threadsLibrary(): Promise<string> {
  return await withHostsLibrary("threads.so", THREADS, ["-shared", "-fPIC"], []);
}

/** Makes `memory.so`, which is loaded into QEMU for guests that begin as a template; it takes the C library there. */
export async function memoryLibrary(): Promise<string> {
  return await withHostsLibrary("memory.so", MEMORY, ["-shared", "-fPIC", "-nostdlib"], []);
}

async function withHostsLibrary(
  name: string,
  source: string,
  more: readonly string[],
  libraries: readonly string[],
): Promise<string> {
  await ensureInstalled(["gcc", "libc6-dev"], "compiles what takes the host's C library");
  const pins = { source: sha256(readFileSync(source)), compiler: await run(["gcc", "--version"]) };
  return await part(name, { recipe: import.meta.path, pins }, async (out) => {
    const flags = ["-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", "-s", ...more];
    await run(["gcc", ...flags, "-o", `${out}/${name}`, source, ...libraries]);
    writeComponents(out, []);
  });
}
