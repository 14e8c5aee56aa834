import { expect, test } from "bun:test";
import { program } from "../commands/index.ts";
import { parse } from "../parse/index.ts";
import { cameAfterDashes } from "./misplaced.ts";

test.each([
  [["--", "sh", "--mem", "512", "--cpus=2", "--mem", "1"], "--mem, --cpus"],
  [["--", "prog", "--net", "--volume", "/a:/b"], "--net, --volume"],
  [["--mem", "512", "--", "prog", "--mem", "1"], "--mem"],
  [["--", "prog", "-v", "-e", "-p", "--its-own", "mem"], undefined],
  [["box"], undefined],
])("machine create %j: %p", (words, names) => {
  const parsed = parse(program, ["machine", "create", ...words]);
  if (parsed.kind !== "command") throw new Error(`not a command: ${parsed.kind}`);
  const note = cameAfterDashes(parsed.invocation);
  expect(note).toBe(
    names && `${names} came after \`--\`: passed to the command, and no option of the machine`,
  );
  expect(parsed.invocation.workload).toEqual(
    words.includes("--") ? words.slice(words.indexOf("--") + 1) : [],
  );
});
