import type { Details } from "../table/types.ts";

export const details: Details = {
  text: `Runs COMMAND in a machine that runs already, beside the command that the machine was started for,
and passes stdin (with -i), stdout, stderr and the exit code through. Environment, working directory
and user are the machine's unless options say otherwise. Whatever happens to COMMAND, the machine
goes on.

Exit codes are those of machine run.`,
  examples: [
    { command: "smolvm machine run --name box -- sleep 600 &" },
    { command: "smolvm machine exec --name box -- cat /etc/os-release" },
    { command: "smolvm machine exec --name box -it -- sh" },
  ],
};
