import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type CompiledFile, declarations } from "../../build/sdk/compile.ts";
import { collect } from "../support/process.ts";
import { slowness } from "../support/program.ts";
import { type Documented, documentedIn, exportedNames } from "./documented.ts";

setDefaultTimeout(120_000 * slowness);

/** What the package says about itself: each of its names has words and an example, and all examples are programs. */

let files: CompiledFile[];
let names: Documented[];
beforeAll(async () => {
  files = await declarations();
  const exported = exportedNames(files);
  names = files
    .flatMap(({ text }) => documentedIn(text))
    .filter(({ name }) => exported.has(name.split(".")[0] as string));
});

describe("what the package says about its names", () => {
  test("is something", () => {
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter(({ words }) => words === "").map(({ name }) => name)).toEqual([]);
  });

  test("has an example for each that is exported or can be called", () => {
    const bare = names.filter(({ isShown, examples }) => isShown && examples.length === 0);
    expect(bare.map(({ name }) => name)).toEqual([]);
  });
});

/** Names that an example may use without saying where they come from, as people read it. */
const SURROUNDINGS = `
declare const machine: Machine;
declare const smolvm: Smolvm;
declare const path: string;
`;

const checkout = `${import.meta.dir}/../..`;

/** The compiler takes programs that use the package, whose declarations it sees as users do. */
async function expectCompiles(programs: Readonly<Record<string, string>>): Promise<void> {
  const folder = mkdtempSync("/tmp/sdk-documents-");
  try {
    for (const { path, text } of files) {
      mkdirSync(dirname(`${folder}/smolvm/${path}`), { recursive: true });
      writeFileSync(`${folder}/smolvm/${path}`, text);
    }
    for (const [name, text] of Object.entries(programs)) writeFileSync(`${folder}/${name}.ts`, text);
    const options = {
      ...{ target: "es2024", module: "esnext", moduleResolution: "bundler", lib: ["esnext", "dom"] },
      ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true },
      ...{ skipLibCheck: false, moduleDetection: "force" },
      ...{ types: ["node"], typeRoots: [`${checkout}/node_modules/@types`] },
      paths: { smolvm: ["./smolvm/index.d.ts"] },
    };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
    const compiler = [`${checkout}/node_modules/.bin/tsc`, "-p", folder];
    const started = Bun.spawn(compiler, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    // The compiler says what is wrong on its standard output.
    const { output, exitCode } = await collect(started, "the compiler", 60_000 * slowness);
    expect({ output, exitCode }).toEqual({ output: "", exitCode: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("its examples, and those of the papers, are programs that compile", async () => {
  const exported = [...exportedNames(files)];
  const imports = `import { ${exported.join(", ")} } from "smolvm";`;
  const shown = names.flatMap(({ name, examples }) => examples.map((text, at) => ({ name, at, text })));
  expect(shown.length).toBeGreaterThan(100);
  // One function each: what it declares is its own.
  const functions = shown.map(
    ({ name, at, text }) =>
      `/** ${name} ${at} */\nexport async function example${at}_${name.replace(/\W/g, "_")}() {\n${text}\n}`,
  );
  const programs: Record<string, string> = { examples: [imports, SURROUNDINGS, ...functions].join("\n") };
  for (const paper of ["README.md", "docs/sdk.md", "sdk/README.md"])
    for (const [at, [, text = ""]] of [
      ...readFileSync(`${checkout}/${paper}`, "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm),
    ].entries())
      programs[`${paper.replace(/\W/g, "_")}_${at}`] = text;
  expect(Object.keys(programs).length).toBeGreaterThan(3);
  await expectCompiles(programs);
});
