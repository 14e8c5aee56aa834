import { ExitCode } from "../../../errors.ts";
import { notWired } from "../../not-wired.ts";
import { machineName, processWords } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  noStdin: flag({ long: "no-stdin", description: "Leave the process's stdin alone" }),
};

export const attach = command({
  path: ["machine", "attach"],
  summary: "Follow a process in a machine as if it ran here",
  options,
  arguments: processWords,
  failureCode: ExitCode.beforeCommand,
  text: `Attaches stdin, stdout and stderr to a process: its last output first, then what it prints from now
on. ID is what exec -d printed, or machine ps shows; without one it is the machine's workload. When
this command ends, by Ctrl-C too, the process goes on.

A single word that is a number is taken for an ID.

Exit code: that of the process, when it ends.`,
  examples: [
    { command: "smolvm machine attach web" },
    { command: "smolvm machine attach web 212" },
    { command: "smolvm machine attach 212 --no-stdin" },
  ],
  run: () => notWired("machine attach"),
});
