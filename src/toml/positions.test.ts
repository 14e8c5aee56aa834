import { expect, test } from "bun:test";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { pathKey } from "./path.ts";
import { keyPositions } from "./positions.ts";

/** `line:column` of every key. */
function placesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...keyPositions(text)].map(([key, offset]) => {
      const before = text.slice(0, offset).split("\n");
      return [JSON.parse(key).join(" "), `${before.length}:${(before.at(-1) ?? "").length + 1}`];
    }),
  );
}

test("keys in every place that TOML has for them", () => {
  const text = `\uFEFF# [no] key = 1
a = "x = 1 # no" # b = 2
  [t . "q.r" .'s']
c = """
no = 1 \\""" still
"""""
d = [ 1, # e = 1
  { f = 'g = 1', h.i = [] }, 1979-05-27 07:32:00
]
"\\u0041\\U00000042" = {
  j = 1, # TOML 1.1
}
[[u]]
k = '''
l = 1'''
`;
  expect(placesOf(text)).toEqual({
    a: "2:1",
    t: "3:4",
    "t q.r": "3:8",
    "t q.r s": "3:15",
    "t q.r s c": "4:1",
    "t q.r s d": "7:1",
    "t q.r s d 0": "7:7",
    "t q.r s d 1": "8:3",
    "t q.r s d 2": "8:30",
    "t q.r s d f": "8:5",
    "t q.r s d h": "8:18",
    "t q.r s d h i": "8:20",
    "t q.r s AB": "10:1",
    "t q.r s AB j": "11:3",
    u: "13:3",
    "u k": "14:1",
  });
});

test("every key of a document has a place, and that key stands there", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.integer(),
    fc.boolean(),
    fc.double({ noNaN: true }),
  );
  const name = fc
    .string({ unit: "grapheme", minLength: 0, maxLength: 5 })
    .filter((text) => text !== "__proto__");
  const { table } = fc.letrec<{ table: Record<string, unknown>; value: unknown }>((tie) => ({
    table: fc.dictionary(name, tie("value"), { maxKeys: 4 }),
    value: fc.oneof({ maxDepth: 3 }, leaf, fc.array(leaf, { maxLength: 3 }), tie("table")),
  }));
  fc.assert(
    fc.property(table, (value) => {
      const text = stringify(value);
      const positions = keyPositions(text);
      const check = (node: unknown, path: readonly string[]) => {
        if (typeof node !== "object" || node === null || Array.isArray(node)) return;
        for (const [key, below] of Object.entries(node)) {
          const at = positions.get(pathKey([...path, key]));
          expect(at, `${JSON.stringify(key)} in ${text}`).toBeDefined();
          const rest = text.slice(at);
          expect(rest.startsWith(key) || /^["']/.test(rest)).toBe(true);
          check(below, [...path, key]);
        }
      };
      check(parse(text), []);
    }),
    { numRuns: 500 },
  );
});

test("any text comes to an end, in time that grows with its length", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => void keyPositions(text)));
  const syntax = fc.constantFrom(
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    '"""',
    "'''",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "\\",
    "a",
    " ",
  );
  fc.assert(fc.property(fc.array(syntax, { maxLength: 60 }), (parts) => void keyPositions(parts.join(""))));
  const start = performance.now();
  for (const part of ["a.", "a=1\n", "#\n", '"a".', "\n", "a={", "a=[]\n"]) {
    keyPositions(part.repeat(20_000));
  }
  expect(performance.now() - start).toBeLessThan(5000);
});
