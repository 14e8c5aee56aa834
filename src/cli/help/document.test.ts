import { expect, test } from "bun:test";
import { safeParse, strictObject } from "valibot";
import { program } from "../commands/index.ts";
import { parse } from "../parse/index.ts";
import { helpDocument } from "./document.ts";
import { helpSchema } from "./document-schema.ts";

const document = helpDocument(program, []);

test("every command is in the document, with every option that it takes", () => {
  expect(safeParse(strictObject(helpSchema.entries), document).issues).toBeUndefined();
  expect(document.methods.map(({ argv }) => argv)).toEqual(program.commands.map(({ path }) => [...path]));
  for (const { argv, params } of document.methods) {
    for (const [option, meaning] of Object.entries(params)) {
      const words = meaning.startsWith("<") ? [`${option}=x`] : [option];
      // --help behind the option: it has been found, and its value is not read.
      expect(parse(program, [...argv, ...words, "--help"])).toMatchObject({ kind: "help", topic: argv });
    }
    expect(Object.keys(params)).toContain("--error-format");
  }
});

test("what a command is like follows from its table", () => {
  const methodOf = (name: string) => document.methods.find(({ method }) => method === name);
  expect(methodOf("machine run")).toMatchObject({
    ...{ argv: ["machine", "run"], kind: "utility", duration: "slow", passthrough: true },
    ...{ interactive: true, json: false, exit: { "125": expect.any(String), "127": expect.any(String) } },
  });
  expect(methodOf("machine ls")).toMatchObject({
    ...{ aliases: ["machine list"], kind: "status", duration: "fast", passthrough: false },
    ...{ interactive: false, json: true, exit: { "0": "done" } },
  });
  expect(methodOf("machine create")).toMatchObject({ passthrough: true, json: true });
  expect(methodOf("help")).toMatchObject({ kind: "meta" });
});

test("a topic leaves the commands below it", () => {
  const methodsOf = (...topic: string[]) => helpDocument(program, topic).methods.map(({ method }) => method);
  expect(methodsOf("machine", "policy")).toEqual(["machine policy explain", "machine policy learned"]);
  expect(methodsOf("pull")).toEqual(["pull"]);
});
