import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { root } from "./host.ts";

/** Turns the TypeScript of this checkout and the packed assets into one executable. */

/**
 * @param module TypeScript that replaces src/assets/embedded.ts, and imports the files that it embeds.
 * @throws Error with the compiler's messages.
 */
export async function compile(module: string, outfile: string): Promise<void> {
  // The name of the output is inside the output, so it is made under its own name in another directory.
  const directory = `${dirname(outfile)}/unfinished`;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const unfinished = `${directory}/${basename(outfile)}`;
  const result = await Bun.build({
    entrypoints: [`${root}/src/main.ts`],
    target: "bun",
    // In pieces, one for each `import()`: a process loads what its role or command needs. As one piece it took 3 ms longer
    // to start, and a start of a machine is three processes, one after the other.
    format: "esm",
    splitting: true,
    minify: true,
    bytecode: true,
    throw: false,
    compile: {
      outfile: unfinished,
      // A tenth of a command's time was spent on compiling what it ran once; src/main.ts ends this in those that last.
      jitPolicy: 10,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    plugins: [
      {
        name: "embed assets",
        setup(build) {
          build.onLoad({ filter: /\/src\/assets\/embedded\.ts$/ }, () => ({
            contents: module,
            loader: "ts",
          }));
        },
      },
    ],
  });
  if (!result.success) throw new Error(`compiling smolvm:\n${result.logs.map(String).join("\n")}`);
  chmodSync(unfinished, 0o755);
  renameSync(unfinished, outfile);
  rmSync(directory, { recursive: true });
}

/** Version in package.json. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { version: string }).version;
}
