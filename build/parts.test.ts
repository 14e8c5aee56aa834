import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { part, sourceHash } from "./parts.ts";

let cache: string;
const before = process.env.SMOLVM_BUILD_CACHE;

beforeEach(() => {
  cache = mkdtempSync(`${tmpdir()}/smolvm-parts-`);
  process.env.SMOLVM_BUILD_CACHE = cache;
});

afterEach(() => {
  if (before === undefined) delete process.env.SMOLVM_BUILD_CACHE;
  else process.env.SMOLVM_BUILD_CACHE = before;
  rmSync(cache, { recursive: true });
});

const recipe = import.meta.path;
const make = (text: string) => async (directory: string) => writeFileSync(`${directory}/file`, text);

test("a part is made once for the same inputs, and anew for others", async () => {
  const first = await part("thing", { recipe, pins: 1 }, make("one"));
  expect(await part("thing", { recipe, pins: 1 }, make("never"))).toBe(first);
  expect(readFileSync(`${first}/file`, "utf8")).toBe("one");
  expect(await part("thing", { recipe, pins: 2 }, make("two"))).not.toBe(first);
});

test("a failed part leaves nothing that counts, and the next try begins empty", async () => {
  const fail = async (directory: string) => {
    writeFileSync(`${directory}/half`, "");
    throw new Error("no");
  };
  await expect(part("thing", { recipe, pins: 1 }, fail)).rejects.toThrow("no");
  const directory = await part("thing", { recipe, pins: 1 }, make("one"));
  expect(readdirSync(directory)).toEqual(["file"]);
});

test("two builds at once make a part once", async () => {
  let made = 0;
  const slow = async (directory: string) => {
    made++;
    // Both have looked at the lock by now: they do that before they first wait.
    await Promise.resolve();
    await make("slow")(directory);
  };
  const inputs = { recipe, pins: 1 };
  const [left, right] = await Promise.all([part("thing", inputs, slow), part("thing", inputs, slow)]);
  expect(left).toBe(right);
  expect(made).toBe(1);
});

test("parts that nothing asked for go when a newer one is made, others stay", async () => {
  const old = await part("thing", { recipe, pins: 1 }, make("old"));
  const other = await part("thing-two", { recipe, pins: 1 }, make("other"));
  const then = new Date(Date.now() - 100 * 24 * 3600 * 1000);
  utimesSync(old, then, then);
  utimesSync(other, then, then);
  await part("thing", { recipe, pins: 2 }, make("new"));
  expect([existsSync(old), existsSync(other)]).toEqual([false, true]);
});

test("a recipe's hash changes with what it imports, however deep, and not with anything else", () => {
  const file = (name: string, text: string) => writeFileSync(`${cache}/${name}.ts`, text);
  file("recipe", 'import { a } from "./middle.ts";\nconsole.log(a);');
  file("middle", 'export const a = async () => (await import("./deep.ts")).b;');
  file("deep", "export const b = 1;");
  const hash = () => sourceHash(`${cache}/recipe.ts`);
  const first = hash();
  file("unrelated", "export {};");
  expect(hash()).toBe(first);
  file("deep", "export const b = 2;");
  expect(hash()).not.toBe(first);
});
