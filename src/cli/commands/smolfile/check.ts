import { print, warn } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";
import { report } from "../../report.ts";

const options = {
  json: flag({ long: "json", description: "Print errors as JSON objects, one a line" }),
};

export const smolfileCheck = command({
  path: ["smolfile", "check"],
  kind: "status",
  summary: "Say what is wrong in Smolfiles",
  options,
  arguments: { kind: "words", placeholder: "[FILE...]", min: 0, max: 1000, hint: { kind: "file" } },
  text: `Checks each FILE, Smolfile in this directory when none is named, as machine create -s does, and
makes nothing. Everything that is wrong is an error of its own, with line and column, up to 100 of
them. Images are not looked for.

Exit code: 0 when nothing is wrong, else 1.`,
  examples: [{ command: "smolvm smolfile check" }, { command: "smolvm smolfile check *.smolfile" }],
  run: async ({ values, words, globals }) => {
    const [{ checkSmolfile }, { environment }] = await Promise.all([
      import("../../../smolfile/index.ts"),
      import("../../../command-line.ts"),
    ]);
    const json = globals.errorFormat === "json" || (globals.errorFormat === undefined && values.json);
    let exitCode = 0;
    for (const path of words.length === 0 ? ["Smolfile"] : words) {
      const { problems, notes } = await checkSmolfile(path, environment());
      for (const note of notes) warn(note);
      for (const problem of problems) exitCode = report(problem, { json, failureCode: 1 });
      if (problems.length === 0) await print(`${path}: nothing is wrong\n`);
    }
    return exitCode;
  },
});
