import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";
import { buildSpec } from "../machine/model/build.ts";
import { silent } from "../machine/model/layers.fixture.ts";
import { belowOf, keysOf } from "../values/schema-tree.ts";
import { checkSmolfile } from "./check.ts";
import { KEYS } from "./documents.fixture.ts";
import { loadSmolfile } from "./load.ts";
import { smolfileSchema } from "./schema.ts";
import { parsed } from "./smolfile.fixture.ts";

const docs = `${import.meta.dir}/../../docs`;
const examples = [...new Glob("examples/*/Smolfile").scanSync(docs)].sort();

describe("docs/examples", () => {
  test("there are some", () => expect(examples.length).toBeGreaterThan(3));

  test.each(examples)("%s makes a machine", async (example) => {
    const path = `${docs}/${example}`;
    const environment = { TZ: "UTC", POSTGRES_PASSWORD: "x" };
    expect(await checkSmolfile(path, environment)).toEqual({ problems: [], notes: [] });
    const { layer, notes } = await loadSmolfile(path, environment);
    expect(notes).toEqual([]);
    const spec = buildSpec({
      name: "box",
      ephemeral: false,
      layers: [layer],
      flags: silent,
      words: [],
      wordsAre: "arguments",
    });
    expect(spec.image).not.toBeNull();
    expect(spec.health).not.toBeNull();
  });
});

describe("docs/smolfile.md", () => {
  const paper = readFileSync(`${docs}/smolfile.md`, "utf8");

  test.each(Object.entries(KEYS))(
    "has the keys of [%s], and they are those of the schema",
    (section, keys) => {
      const known = keys.split(" ");
      const schema = section === "" ? smolfileSchema : belowOf(smolfileSchema, section);
      expect(keysOf(schema).sort()).toEqual(known.toSorted());
      // A part of the paper begins with its section's name.
      const parts = paper.split(/^(?=### )/m);
      const place =
        section === "" ? paper : parts.find((part) => part.split("\n", 1)[0]?.includes(`[${section}]`));
      expect(place, section).toBeDefined();
      const missing = known.filter(
        (key) => ![`\`${key}\``, `[${key}]`].some((name) => place?.includes(name)),
      );
      expect(missing).toEqual([]);
    },
  );

  test("its examples are right", () => {
    const blocks = [...paper.matchAll(/^```toml\n(.*?)^```/gms)].map((match) => match[1] as string);
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) parsed(block);
  });
});
