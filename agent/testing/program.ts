import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { run, sha256 } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

/** In a guest it is one static program; here it is linked with what watches its memory. */
const flags = [
  "-std=gnu11",
  "-O1",
  "-g",
  "-fno-omit-frame-pointer",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
];

/** The agent, compiled for tests: every memory error and undefined behaviour ends it with a report on stderr. */
export const agentProgram = (): Promise<string> => compile("test-agent", flags);

/** The agent as a guest has it, static: it runs in every root. */
export const staticAgent = (): Promise<string> =>
  compile("test-static-agent", ["-std=gnu11", "-Os", "-static"]);

async function compile(name: string, options: readonly string[]): Promise<string> {
  const directory = dirname(import.meta.dir);
  const names = readdirSync(directory).filter((name) => /\.[ch]$/.test(name));
  const pins = {
    sources: names.sort().map((name) => sha256(readFileSync(`${directory}/${name}`))),
    compiler: await run(["cc", "--version"]),
  };
  const made = await part(name, { recipe: import.meta.path, pins }, async (out) => {
    const sources = names.filter((name) => name.endsWith(".c"));
    await run(["cc", ...options, "-o", `${out}/agent`, ...sources], { cwd: directory });
  });
  return `${made}/agent`;
}
