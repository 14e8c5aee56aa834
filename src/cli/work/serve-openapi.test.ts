import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { writeDocument } from "./serve-openapi.ts";

let place: string;
beforeEach(() => {
  place = mkdtempSync(`${tmpdir()}/serve-openapi-`);
});
afterEach(() => rmSync(place, { recursive: true }));

const unwritable = expect.objectContaining({ code: "serve.unwritable" });

test("a file is replaced in full, and nothing else is left beside it", () => {
  writeFileSync(`${place}/api.json`, "something longer than what comes");
  writeDocument(`${place}/api.json`, "{}\n");
  expect(readFileSync(`${place}/api.json`, "utf8")).toBe("{}\n");
  expect(readdirSync(place)).toEqual(["api.json"]);
});

test("a link, such as /dev/stdout, and a device are left as they are", () => {
  symlinkSync("/dev/null", `${place}/link`);
  expect(() => writeDocument(`${place}/link`, "{}\n")).toThrow(unwritable);
  expect(lstatSync(`${place}/link`).isSymbolicLink()).toBe(true);
  expect(() => writeDocument("/dev/null", "{}\n")).toThrow(unwritable);
  expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  expect(() => writeDocument(`${place}/none/api.json`, "{}\n")).toThrow(unwritable);
  expect(readdirSync(place)).toEqual(["link"]);
});
