import { expect, test } from "bun:test";
import type { FilePatch } from "../../workspace/index.ts";
import { formatPatch, formatStat } from "./workspace.ts";

const patch: FilePatch = {
  names: ["a"],
  header: ["diff --git a/a b/a", "--- a/a", "+++ b/a"],
  hunks: [
    {
      oldStart: 1,
      oldLines: 1,
      newStart: 1,
      newLines: 1,
      lines: ["-tax\t1", "+\x1b]0;owned\x07\xc3\xa4\xff\xe2\x80\xae", "\\ No newline at end of file"],
    },
  ],
  added: 1,
  removed: 1,
  isBinary: false,
};

test("a patch is the guest's bytes in a pipe, and nothing that a terminal obeys on one", () => {
  expect(formatPatch(patch, { color: false, safe: false })).toContain("\n+\x1b]0;owned\x07\xc3\xa4\xff");
  expect(formatPatch(patch, { color: false, safe: true })).toMatchInlineSnapshot(`
    "diff --git a/a b/a
    --- a/a
    +++ b/a
    @@ -1 +1 @@
    -tax	1
    +^[]0;owned^Gä<ff><202e>
    \\ No newline at end of file
    "
  `);
  const colored = formatPatch(patch, { color: true, safe: true });
  expect(colored).toContain("\x1b[31m-tax\t1\x1b[m\n");
  expect(colored).not.toContain("\x1b]");
});

test("statistics, as git's", () => {
  const files = [
    { path: "lib/tax.js", patch: { ...patch, added: 60, removed: 30 } },
    { path: "a", patch },
    { path: "logo.png", patch: { ...patch, added: 0, removed: 0, isBinary: true } },
    { path: "build/", patch: undefined },
  ];
  expect(formatStat(files)).toMatchInlineSnapshot(`
    " lib/tax.js | 90 ++++++++++++++++++++----------
     a          | 2 +-
     logo.png   | Bin
     build/
     4 files changed, 61 insertions(+), 31 deletions(-)
    "
  `);
});
