import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { openAllowed, openAllowedImage } from "./host-paths.ts";

let place: string;
let roots: string[];
beforeEach(() => {
  place = realpathSync(mkdtempSync(`${tmpdir()}/host-paths-`));
  roots = [`${place}/shared`];
  for (const name of ["shared", "secret"]) {
    mkdirSync(`${place}/${name}`);
    writeFileSync(`${place}/${name}/app.tar`, name);
  }
});
afterEach(() => rmSync(place, { recursive: true }));

const forbidden = expect.objectContaining({ code: "FORBIDDEN" });

test("what was opened stays what it is, whatever is put in its place", () => {
  const { path, file, close } = openAllowed(`${place}/shared/app.tar`, roots);
  renameSync(path, `${path}.away`);
  symlinkSync(`${place}/secret/app.tar`, path);
  expect(readFileSync(file, "utf8")).toBe("shared");
  close();
  const before = readdirSync("/proc/self/fd").length;
  expect(() => openAllowed(path, roots)).toThrow(forbidden);
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("who may name every path is told what is wrong by who uses it", () => {
  const missing = `${place}/none.tar`;
  expect(openAllowed(missing, ["/"])).toMatchObject({ path: missing, file: missing });
  expect(openAllowed(`${place}/secret/app.tar`, ["/"]).path).toBe(`${place}/secret/app.tar`);
});

test("an image is a path of an allowed directory, or is no path", () => {
  expect(openAllowedImage("alpine:3.20", roots)).toEqual({});
  for (const image of [
    "/",
    `${place}/secret/app.tar`,
    `${place}/shared/../secret`,
    `${place}/shared/none.tar`,
  ])
    expect(() => openAllowedImage(image, roots)).toThrow(forbidden);
  for (const image of ["-", "app.tar", "./shared"])
    expect(() => openAllowedImage(image, roots)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
});
