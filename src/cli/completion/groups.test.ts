import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { SHELLS } from "../commands/system/completion.ts";
import { complete } from "./completion.fixture.ts";

/** Commands of three words: what is typed before Tab, and the words that every shell offers for it. */
const LINES: readonly [string, readonly string[]][] = [
  ["smolvm conf", ["config"]],
  ["smolvm config ", ["registries", "show"]],
  ["smolvm config reg", ["registries"]],
  ["smolvm config registries ", ["edit", "init", "path", "show"]],
  ["smolvm config registries p", ["path"]],
  ["smolvm help config ", ["registries", "show"]],
  ["smolvm help config registries e", ["edit"]],
  ["smolvm config show --j", ["--json"]],
  ["smolvm config registries show --j", ["--json"]],
  ["smolvm config registries --h", ["--help"]],
  ["smolvm config registries path --j", []],
  ["smolvm config registries path x", []],
  // The same word below another group is another command.
  ["smolvm config path", []],
  ["smolvm registries ", []],
];

setDefaultTimeout(120_000);

describe.each(SHELLS.map((shell) => [shell]))("%s", (shell) => {
  test("follows commands of three words", async () => {
    const offered = await complete(
      shell,
      LINES.map(([line]) => line),
    );
    expect(Object.fromEntries(LINES.map(([line], index) => [line, offered[index]]))).toEqual(
      Object.fromEntries(LINES.map(([line, words]) => [line, [...words]])),
    );
  });
});
