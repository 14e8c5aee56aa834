import { afterEach, describe, expect, test } from "bun:test";
import { givenName, machineNameOf, machineNamesOf, requiredNameOf, requiredNamesOf } from "./machine-name.ts";

const naming = (words: string[], name?: string) => ({ values: { name }, words });

afterEach(() => {
  delete process.env.SMOLVM_MACHINE_NAME;
});

describe("one machine", () => {
  test.each([
    [["a"], undefined, "a"],
    [[], "b", "b"],
    [["a"], "a", "a"],
    [[], undefined, "default"],
  ])("%j and --name %p: %s", (words, name, expected) => {
    expect(machineNameOf(naming(words, name))).toBe(expected);
  });

  test("two different ones are refused", () => {
    expect(() => machineNameOf(naming(["a"], "b"))).toThrow("two machines were named: a and, with --name, b");
  });

  test("SMOLVM_MACHINE_NAME stands in where nothing is named; an empty one does not", () => {
    process.env.SMOLVM_MACHINE_NAME = "e";
    expect([machineNameOf(naming([])), machineNameOf(naming(["a"])), requiredNameOf(naming([]))]).toEqual([
      "e",
      "a",
      "e",
    ]);
    process.env.SMOLVM_MACHINE_NAME = "";
    expect(givenName(naming([]))).toBeUndefined();
  });

  test("where one has to be named, default is not enough", () => {
    expect(() => requiredNameOf(naming([]))).toThrow("a machine has to be named");
    expect(() => requiredNamesOf(naming([]))).toThrow("a machine has to be named");
  });
});

describe("several machines", () => {
  test("each once, in order", () => {
    expect(machineNamesOf(naming(["b", "a", "b"]))).toEqual(["b", "a"]);
    expect(requiredNamesOf(naming(["b", "a"]))).toEqual(["b", "a"]);
    expect(machineNamesOf(naming([]))).toEqual(["default"]);
  });

  test("--name is not one more", () => {
    expect(() => machineNamesOf(naming(["a", "b"], "a"))).toThrow("two machines were named: b and");
  });
});
