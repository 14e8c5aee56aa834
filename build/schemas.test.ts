import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { pairs } from "../src/smolfile/documents.fixture.ts";
import { EVERYTHING } from "../src/smolfile/everything.fixture.ts";
import { parseSmolfile } from "../src/smolfile/parse.ts";
import { SCHEMAS, textOf } from "./schemas.ts";

test.each(Object.entries(SCHEMAS))(
  "%s is what the program's schema says: else run bun build/schemas.ts",
  (file, make) => {
    expect(readFileSync(`${import.meta.dir}/../${file}`, "utf8")).toBe(textOf(make()));
  },
);

describe("editors, asked by another program of theirs", () => {
  const schema = JSON.parse(readFileSync(`${import.meta.dir}/../docs/schema/smolfile.schema.json`, "utf8"));
  const isRight = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);
  const accepts = (text: string) => isRight(JSON.parse(JSON.stringify(Bun.TOML.parse(text))));

  test("take a Smolfile with every key", () => {
    expect(accepts(EVERYTHING)).toBe(true);
  });

  test.each([
    ["imagee = 'x'"],
    ["[dev]\nmemory = 1"],
    ["cpus = 0"],
    ["cpus = '1'"],
    ["memory = 1"],
    ["memory = '2x'"],
    ["env = ['=x']"],
    ["ports = ['x']"],
    ["volumes = ['a']"],
    ["on_timeout = 'x'"],
    ["[health]\ninterval = 'often'"],
    ["[secrets.A]\nfrom_stor = 'x'"],
    ["[labels]\na = 1"],
  ])("refuse %j", (text) => {
    expect(accepts(text)).toBe(false);
  });

  test("take whatever the program takes", () => {
    let taken = 0;
    fc.assert(
      fc.property(pairs, ([[section, key], value]) => {
        const pair = { [key as string]: value };
        const text = stringify(section === "" ? pair : { [section as string]: pair });
        if ("errors" in parseSmolfile("Smolfile", "/", text)) return;
        taken++;
        expect(accepts(text), `${text}${JSON.stringify(isRight.errors)}`).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(60);
  });
});
