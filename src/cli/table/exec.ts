import { ExitCode } from "../../errors.ts";
import { parseText } from "../values/text.ts";
import { command } from "./command.ts";
import { processOptions } from "./process-options.ts";
import { flag, valueOr } from "./types.ts";

export const execOptions = {
  name: valueOr({
    long: "name",
    short: "n",
    placeholder: "NAME",
    description: "The machine to run the command in",
    fallback: "default",
    parse: parseText,
  }),
  ...processOptions,
  stream: flag({ long: "stream", description: "No effect: output always arrives as it is written" }),
};

export const exec = command({
  path: ["machine", "exec"],
  summary: "Run one more command in a running machine",
  options: execOptions,
  arguments: { kind: "command", required: true },
  failureCode: ExitCode.beforeCommand,
  details: async () => (await import("../help/exec.ts")).details,
  load: () => import("../commands/exec.ts"),
});
