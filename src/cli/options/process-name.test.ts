import { expect, test } from "bun:test";
import { processOf } from "./process-name.ts";

const there = ["web", "12", "default"];
const target = (words: string[], name?: string) =>
  processOf({ values: { name }, words }, (name) => there.includes(name));

test.each<[string[], string | undefined, string, string | undefined]>([
  [[], undefined, "default", undefined],
  [[], "web", "web", undefined],
  [["web"], undefined, "web", undefined],
  [["web"], "web", "web", undefined],
  [["12"], undefined, "12", undefined],
  [["12"], "web", "web", "12"],
  [["4f1c"], undefined, "default", "4f1c"],
  [["4f1c"], "web", "web", "4f1c"],
  [["web", "4f1c"], undefined, "web", "4f1c"],
  [["web", "12"], "web", "web", "12"],
  // A misspelt name is better told to be unknown than taken for an id.
  [["wev"], undefined, "wev", undefined],
])("%j with --name %p", (words, name, machine, process) => {
  expect(target(words, name)).toEqual({ machine, process });
});

test("a word is no id where there is no machine to have it", () => {
  const naming = { values: { name: undefined }, words: ["cafe"] };
  expect(processOf(naming, () => false)).toEqual({ machine: "cafe", process: undefined });
});

test("two machines are an error", () => {
  expect(() => target(["web", "4f1c"], "db")).toThrow("two machines were named");
});
