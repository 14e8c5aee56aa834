import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLocalImage, looksLikePath } from "./source-kind.ts";

test("what is meant as a path, without a look at the disk", () => {
  for (const path of ["./alpine", "../x", "/srv/image", ".", "..", "image.tar", "a/b.tar.gz", "x.tgz", ""]) {
    expect([path, looksLikePath(path)]).toEqual([path, true]);
  }
  for (const reference of ["alpine", "alpine:3.20", "ghcr.io/a/b", "localhost:5000/x", "a.b/c@sha256:00"]) {
    expect([reference, looksLikePath(reference)]).toEqual([reference, false]);
  }
});

test("a file is local by its name; a directory needs a slash in front when its name could be a reference", () => {
  const here = process.cwd();
  const scratch = mkdtempSync(join(tmpdir(), "smolvm-source-"));
  try {
    process.chdir(scratch);
    writeFileSync("saved", "");
    mkdirSync("alpine/edge", { recursive: true });
    mkdirSync("Root FS");
    const kinds = [
      "saved",
      "alpine",
      "alpine/edge",
      "./alpine",
      `${scratch}/alpine`,
      "Root FS",
      "nothing",
      "-",
    ];
    expect(kinds.map((source) => [source, isLocalImage(source)])).toEqual([
      ["saved", true],
      ["alpine", false],
      ["alpine/edge", false],
      ["./alpine", true],
      [`${scratch}/alpine`, true],
      ["Root FS", true],
      ["nothing", false],
      ["-", true],
    ]);
  } finally {
    process.chdir(here);
    rmSync(scratch, { recursive: true, force: true });
  }
});
