import { expect, test } from "bun:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Machines } from "../machines.ts";
import { makeToolBox, TOOL_NAMES } from "./index.ts";

const ceilings = {
  ...{ maxMachines: 1, maxMemoryMib: 256, maxCpus: 1, ttlMs: undefined, idleTimeoutMs: 1000 },
  ...{ allowHosts: [], mountRoots: [], images: [], defaultRegistry: undefined, maxOutputBytes: 1000 },
  ...{ maxDiskGib: 120, maxCopyBytes: 1000 },
};
const context = { paths: {} as never, environment: {}, note: () => {} };
const boxOf = (names?: readonly string[]) => makeToolBox(new Machines(context, ceilings, undefined), names);

test("the list has at most ten tools and 4,000 tokens, and each schema is one", () => {
  const { listed } = boxOf();
  expect(listed.length).toBe(TOOL_NAMES.length);
  expect(listed.length).toBeLessThanOrEqual(10);
  // Tokenizers of models make fewer tokens of JSON than one for three bytes.
  expect(Buffer.byteLength(JSON.stringify(listed)) / 3).toBeLessThanOrEqual(4000);
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  for (const { inputSchema } of listed) {
    ajv.compile(inputSchema as object);
    // A field that is not there cannot ask for more than a server allows.
    expect(inputSchema).toMatchObject({ additionalProperties: false });
  }
});

test("a server has the tools that its starter wants", () => {
  const box = boxOf(["run"]);
  expect(box.listed.map(({ name }) => name)).toEqual(["run"]);
  expect(box.call("exec", { command: "true" }, new AbortController().signal)).toBeUndefined();
});

test("arguments that are wrong are a result with a code, and name the field", async () => {
  const signal = new AbortController().signal;
  for (const [name, args, words] of [
    ["exec", {}, "command"],
    ["exec", { command: "x", timeout_s: 51 }, "timeout_s: must be at most 50"],
    ["exec", { command: "x", machine: "../x" }, "machine"],
    ["read_file", { path: "relative" }, "path"],
    ["read_file", { path: "/a/../b" }, "path"],
    ["write_file", { path: "/a", content: "x", mode: "999" }, "mode"],
    ["process", { action: "poll" }, "id"],
    ["machines", { action: "explode" }, "action"],
    ["copy", { from: "/a", to: "/b" }, "exactly one"],
    ["run", { command: "true", mounts: [] }, "mounts"],
    ["run", "text", "arguments"],
  ] as const) {
    const result = await boxOf().call(name, args, signal);
    expect(result?.isError).toBe(true);
    expect(result?.structuredContent.error).toMatchObject({
      code: "mcp.bad_arguments",
      message: expect.stringContaining(words),
    });
  }
});
