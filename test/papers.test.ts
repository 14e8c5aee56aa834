import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";

/** The papers say what the code does. */

const root = `${import.meta.dir}/..`;
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");
const filesOf = (pattern: string) => [...new Glob(pattern).scanSync(root)];

describe("docs/errors.md", () => {
  const documented = [...read("docs/errors.md").matchAll(/`([a-z]+\.[a-z_]+)`/g)].map(
    (match) => match[1] as string,
  );
  const sources = filesOf("{src,agent,ffi}/**/*.{ts,c}")
    .filter((file) => !file.includes("test"))
    .map(read)
    .join("\n");

  test("has every code that is thrown or sent", () => {
    const thrown = sources.matchAll(
      /(?:SmolError\(|code: |fail\w*\([^;"]*|failure\w*\([^;"]*)\s*"([a-z]+\.[a-z_]+)"/g,
    );
    const missing = [...thrown]
      .map((match) => match[1] as string)
      .filter((code) => !documented.includes(code));
    expect(missing).toEqual([]);
  });

  test("has no code that does not exist", () => {
    expect(documented.filter((code) => !sources.includes(code))).toEqual([]);
  });
});

describe("SPECIFICATION.md", () => {
  const specification = read("SPECIFICATION.md");

  test("names only tests and benchmarks that exist", () => {
    const paths = [...specification.matchAll(/`((?:test|bench|src|agent|rootfs|ffi)\/[\w/.-]+\.ts)`/g)].map(
      (match) => match[1] as string,
    );
    expect(paths.length).toBeGreaterThan(20);
    for (const path of paths) expect(read(path).length, path).toBeGreaterThan(0);
  });

  test("numbers its promises without gaps, each with a test", () => {
    const rows = specification.split("\n").filter((line) => /^\| \d+ \|/.test(line));
    expect(rows.map((row) => Number(row.split("|")[1]))).toEqual(rows.map((_, index) => index + 1));
    for (const row of rows) expect(row).toMatch(/`(test|bench|src|agent|rootfs|ffi)\/.*\.ts`/);
  });
});

test("every link between the papers leads somewhere", () => {
  for (const paper of filesOf("{*.md,docs/*.md,recipes/**/*.md}")) {
    const folder = paper.includes("/") ? `${paper.slice(0, paper.lastIndexOf("/"))}/` : "";
    for (const [, target] of read(paper).matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(read(`${folder}${target}`).length, `${paper}: ${target}`).toBeGreaterThan(0);
    }
  }
});
