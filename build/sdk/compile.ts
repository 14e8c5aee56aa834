import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root, run } from "../host.ts";

/** Makes of `sdk/src/` what the npm package has: JavaScript for every runtime, and declarations beside it. */

export interface CompiledFile {
  /** `index.js` */
  readonly path: string;
  readonly text: string;
}

/**
 * One piece of JavaScript and one for each `import()`: a program loads what it uses, from few files.
 *
 * @throws Error with the compiler's messages.
 */
export async function compileSdk(): Promise<CompiledFile[]> {
  const result = await Bun.build({
    entrypoints: [`${root}/sdk/src/index.ts`],
    target: "node",
    format: "esm",
    splitting: true,
    naming: { chunk: "[hash].js" },
    throw: false,
  });
  if (!result.success) throw new Error(`compiling the SDK:\n${result.logs.map(String).join("\n")}`);
  const files = await Promise.all(
    result.outputs.map(async (output) => ({
      path: output.path.replace(/^.*\//, ""),
      text: await output.text(),
    })),
  );
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Declarations that the face leads to, with what is said about each; what is marked `@internal` is left out, and so are
 * files that only the implementation needs.
 */
export async function declarations(): Promise<CompiledFile[]> {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-declarations-`);
  try {
    await run([`${root}/node_modules/.bin/tsc`, "-p", "sdk/tsconfig.json", "--outDir", directory]);
    const sources = `${directory}/sdk/src`;
    const reached = new Map<string, string>();
    const visit = (path: string) => {
      if (reached.has(path)) return;
      const text = named(readFileSync(`${sources}/${path}`, "utf8"));
      reached.set(path, text);
      for (const [, to = ""] of text.matchAll(/(?:from |import\()"(\.[^"]*)\.js"/g))
        visit(join(dirname(path), `${to}.d.ts`));
    };
    visit("index.d.ts");
    return [...reached].map(([path, text]) => ({ path, text }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The compiler leaves names of sources in declarations, where only names of what they became are right. */
const named = (text: string): string => text.replace(/((?:from |import\()"\.[^"]*)\.ts"/g, '$1.js"');
