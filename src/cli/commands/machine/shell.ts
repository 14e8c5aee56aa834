import { ExitCode } from "../../../errors.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { surroundingOptions } from "../../options/process-options.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName, ...surroundingOptions };

export const shell = command({
  path: ["machine", "shell"],
  aliases: ["sh"],
  duration: "slow",
  interactive: true,
  summary: "Open a shell in a machine",
  options,
  arguments: machineWord,
  failureCode: ExitCode.beforeCommand,
  text: `Runs /bin/sh in a machine, with a terminal when there is one here; without one, the shell reads its
commands from stdin. A machine that does not run is started first.

Exit codes are those of machine run.`,
  examples: [
    { command: "smolvm machine shell" },
    { command: "smolvm machine sh web" },
    { command: 'echo "apk add git" | smolvm machine shell --name dev' },
  ],
  /** Resolves to the exit code of the shell. */
  run: async (invocation) => {
    const { execShown } = await import("../../work/exec.ts");
    const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
    const target = { machine: machineNameOf(invocation), argv: ["/bin/sh"], start: true };
    return await execShown(invocation.values, target, { interactive: true, tty: isTerminal });
  },
});
