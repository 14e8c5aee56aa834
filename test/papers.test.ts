import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Glob } from "bun";

/** The papers say what the code does. */

const root = `${import.meta.dir}/..`;
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");
const ours = (path: string) => !/^(node_modules|dist|\.git)\//.test(path);
const filesOf = (pattern: string) => [...new Glob(pattern).scanSync(root)].filter(ours).sort();

const papers = filesOf("**/*.md");
const folders = [
  "agent",
  "bench",
  "build",
  "docs",
  "examples",
  "ffi",
  "launcher",
  "python",
  "recipes",
  "sdk",
  "soak",
  "src",
  "stub",
  "test",
];
const files = [...filesOf("*.{ts,c,h,rs,md}"), ...filesOf(`{${folders.join(",")}}/**/*`)];

describe("docs/errors.md", () => {
  const paper = read("docs/errors.md");
  const documented = [...paper.matchAll(/`([a-z]+\.[a-z_]+)`/g)].map((match) => match[1] as string);
  const areas = new Set(documented.map((code) => code.split(".")[0]));
  const sources = [
    ...filesOf("{src,agent,ffi,stub,launcher,sdk}/**/*.{ts,c,h}"),
    ...filesOf("python/src/**/*.py"),
  ]
    .filter((file) => !/(\.test|\.fixture)\.ts$/.test(file))
    .map(read)
    .join("\n");
  const literals = [...sources.matchAll(/"([a-z]+\.[a-z_]+)"/g)].map((match) => match[1] as string);

  test("has every code that is thrown or sent", () => {
    const passed = sources.matchAll(
      /(?:\w*[eE]rror\(|\w*[fF]ail\w*\([^;"]*|refuse\w*\([^;"]*|code: )\s*"([a-z]+\.[a-z_]+)"/g,
    );
    // A code may reach its error by way of a table or a variable: any text in a documented area counts, but
    // names of files.
    const inAreas = literals.filter(
      (text) => areas.has(text.split(".")[0] as string) && !/\.(d|h|io|json|lock|sock|toml|ts)$/.test(text),
    );
    const codes = new Set([...[...passed].map((match) => match[1] as string), ...inAreas]);
    expect(codes.size).toBeGreaterThan(90);
    expect([...codes].filter((code) => !documented.includes(code)).sort()).toEqual([]);
  });

  test("has no code that does not exist, and none twice", () => {
    expect(documented.filter((code) => !literals.includes(code))).toEqual([]);
    const rows = paper.split("\n").map((line) => line.split("|")[1] ?? "");
    const listed = rows.flatMap((cell) =>
      [...cell.matchAll(/`([a-z]+\.[a-z_]+)`/g)].map((match) => match[1]),
    );
    expect(listed.filter((code, at) => listed.indexOf(code) !== at)).toEqual([]);
  });
});

describe("SPECIFICATION.md", () => {
  const specification = read("SPECIFICATION.md");

  test("numbers its promises without gaps, each with a test", () => {
    const rows = specification.split("\n").filter((line) => /^\| \d+ \|/.test(line));
    expect(rows.map((row) => Number(row.split("|")[1]))).toEqual(rows.map((_, index) => index + 1));
    for (const row of rows)
      expect(row).toMatch(/`(test|bench|soak|src|stub|agent|build|recipes|ffi|sdk)\/.*\.ts`/);
  });
});

describe("names of files", () => {
  /** Files of other projects that our papers name. */
  const foreign = ["LICENSE.md"];

  /** Names below one of our folders, and bare names of sources and papers. */
  function namesIn(text: string): string[] {
    const word = /(?<![\w./~$:@<>-])(?:\.\.\/)*([\w.*-]+(?:\/[\w.*-]*)*)/g;
    return [...text.matchAll(word)]
      .map((match) => (match[1] as string).replace(/\.+$/, ""))
      .filter((name) => isBelowOurs(name) || /\.(ts|c|h|rs|md)$/.test(name));
  }

  const isBelowOurs = (name: string) => folders.some((folder) => name.startsWith(`${folder}/`));

  /** A folder or file from the root of the project, the end of a file's path, or a pattern. */
  function exists(name: string): boolean {
    if (name.includes("*")) return filesOf(name).length > 0;
    return existsSync(`${root}/${name}`) || files.some((file) => file.endsWith(`/${name}`));
  }

  test.each(papers)("%s: all of them exist", (paper) => {
    expect(namesIn(read(paper)).filter((name) => !exists(name) && !foreign.includes(name))).toEqual([]);
  });

  test("in comments too", () => {
    const sources = files.filter((file) => /\.(ts|c|h|rs)$/.test(file));
    const wrong = sources.flatMap((file) =>
      [...read(file).matchAll(/^\s*(?:\/\*\*?|\*|\/\/) .*$/gm)]
        .flatMap(([line]) =>
          namesIn(line).filter((name) => isBelowOurs(name) && /(\.(ts|c|h|rs|md)|\/)$/.test(name)),
        )
        .filter((name) => !exists(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("every link between the papers leads somewhere", () => {
    for (const paper of papers) {
      const folder = paper.includes("/") ? `${paper.slice(0, paper.lastIndexOf("/"))}/` : "";
      for (const [, target] of read(paper).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        expect(existsSync(`${root}/${folder}${target}`), `${paper}: ${target}`).toBe(true);
      }
    }
  });

  test("every page in docs/ is in the README's index, or in that of docs/design.md", () => {
    const indexes = read("README.md") + read("docs/design.md").replaceAll("](design/", "](docs/design/");
    expect(filesOf("docs/**/*.md").filter((paper) => !indexes.includes(`](${paper})`))).toEqual([]);
  });
});

/** Lines of prose: no tables, no code, and without the addresses of links. */
function proseOf(text: string): { line: string; number: number }[] {
  let fenced = false;
  return text.split("\n").flatMap((line, index) => {
    if (line.trimStart().startsWith("```")) fenced = !fenced;
    const exempt = fenced || /^(\||```| {4,}[^ ])/.test(line);
    return exempt ? [] : [{ line: line.replace(/\]\([^)]*\)|https?:\S+/g, "]"), number: index + 1 }];
  });
}

test.each(papers)("%s: prose has at most 100 columns", (paper) => {
  const long = proseOf(read(paper)).filter(({ line }) => line.length > 100);
  expect(long.map(({ number }) => `${paper}:${number}`)).toEqual([]);
});
