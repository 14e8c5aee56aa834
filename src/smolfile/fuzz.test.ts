import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { SmolError } from "../errors.ts";
import { buildSpec } from "../machine/model/build.ts";
import { silent } from "../machine/model/layers.fixture.ts";
import { documents, KEYS, names } from "./documents.fixture.ts";
import { EVERYTHING } from "./everything.fixture.ts";
import { unavailableProblems } from "./later.ts";
import { notesOn } from "./notes.ts";
import { parseSmolfile } from "./parse.ts";
import { smolfileSettings } from "./settings.ts";

/** Far longer than any takes; other tests may have the processors. */
setDefaultTimeout(60_000);

/** A word that is never to be shown: it stands where secrets do. */
const CANARY = "c4n4ry-s3cr3t";

/** Reads a text and makes a machine of it, if it can; whatever happens is allowed or thrown. */
function digest(text: string): "refused" | "accepted" {
  try {
    const read = parseSmolfile("Smolfile", "/project", text);
    if ("errors" in read) {
      for (const error of read.errors) requireGood(error);
      return "refused";
    }
    const { file } = read;
    requireKnown(file.content);
    unavailableProblems(file.content).map(file.errorOf).forEach(requireGood);
    for (const note of notesOn(file.content)) expect(note).not.toContain("\n");
    const layers = [smolfileSettings(file, { HOME: "/root" })];
    // What the reader lets through is a machine.
    buildSpec({ name: "box", ephemeral: false, layers, flags: silent, words: [], wordsAre: "command" });
    return "accepted";
  } catch (error) {
    requireGood(error);
    return "refused";
  }
}

function requireGood(error: unknown): void {
  if (!(error instanceof SmolError) || !error.code.startsWith("smolfile.")) throw error;
  expect(error.message).toMatch(/^Smolfile(:\d+:\d+)?: [^\n]+$/);
  expect(`${error.message}${error.hint}`).not.toContain(CANARY);
}

function requireKnown(content: object): void {
  const check = (section: string, table: object) => {
    for (const [key, value] of Object.entries(table)) {
      expect((KEYS[section] ?? "").split(" "), `${section}: ${key}`).toContain(key);
      if (section === "" && Object.hasOwn(KEYS, key)) check(key, value);
    }
  };
  check("", content);
}

test("any document is read or refused with one line about one place", () => {
  fc.assert(
    fc.property(documents, (document) => void digest(stringify(document))),
    { numRuns: 600 },
  );
});

test("documents of right keys with right values are machines", () => {
  const texts = fc.array(fc.constantFrom("a", "", "x y\n"), { maxLength: 3 });
  const right = fc.record(
    {
      image: fc.constantFrom("alpine", "./a.tar"),
      entrypoint: texts,
      cmd: texts,
      env: fc.array(fc.constantFrom("A=1", " B=2 ", "HOME", "NOT_SET", "C="), { maxLength: 5 }),
      cpus: fc.integer({ min: 1, max: 255 }),
      memory: fc.oneof(fc.integer({ min: 64, max: 4096 }), fc.constantFrom("64M", "1.5G", "1T")),
      ttl: fc.constantFrom<number | string>("1h", 3, 0.5, "24d"),
      labels: fc.dictionary(fc.constantFrom("a", "b.c", "é"), fc.constantFrom("", "x")),
      restart: fc.record({ policy: fc.constantFrom("always", "OnFailure"), max_retries: fc.nat() }),
      health: fc.record({
        exec: texts,
        interval: fc.constantFrom<string | number>("5s", 0.1, "9999999999999999h"),
      }),
      dev: fc.record({ init: texts, workdir: fc.constantFrom("/", "/a b") }, { requiredKeys: [] }),
      service: fc.record({ listen: fc.integer({ min: 1, max: 65_535 }) }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(right, (document) => expect(digest(stringify(document))).toBe("accepted")),
    { numRuns: 500 },
  );
});

test("a valid file with any change is read or refused", () => {
  const secretive = EVERYTHING.replace("A=2", `A=${CANARY}`);
  const edits = fc.array(
    fc.tuple(
      fc.nat(secretive.length),
      fc.nat(4),
      fc.oneof(names, fc.constantFrom("[", "]", "=", '"', "\n", "{", ",", "1")),
    ),
    { minLength: 1, maxLength: 4 },
  );
  expect(digest(EVERYTHING)).toBe("accepted");
  fc.assert(
    fc.property(edits, (changes) => {
      let text = secretive;
      for (const [at, drop, insert] of changes) text = text.slice(0, at) + insert + text.slice(at + drop);
      digest(text);
    }),
    { numRuns: 600 },
  );
});

test("any text comes to an end", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void digest(text)),
    { numRuns: 600 },
  );
  const part = fc.constantFrom(
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    '"""',
    "=",
    ".",
    ",",
    "\n",
    "#",
    "\\",
    "cmd",
    "dev",
    "labels",
    " ",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => void digest(parts.join(""))),
    { numRuns: 600 },
  );
});

test("large hostile files are refused", () => {
  const parts = ["[a.a.a.a.a.a]\n", "a=[", "x={", "[[a]]\n", "'", "a.a.a.", "cmd=[[]]\n", "init='\n"];
  for (const part of parts) expect(digest(part.repeat(Math.floor(1_000_000 / part.length)))).toBe("refused");
  const keys = (start: string) => Array.from({ length: 50_000 }, (_, at) => `${start}${at} = 1\n`).join("");
  for (const text of [
    keys("k"),
    keys("secrets.S"),
    `cmd = [${"1,".repeat(500_000)}]`,
    `${"a.".repeat(400_000)}a = 1`,
    `${"labels.".repeat(100_000)}a = 1`,
    `cmd = ${"[".repeat(500_000)}`,
  ]) {
    expect(digest(text)).toBe("refused");
  }
});
