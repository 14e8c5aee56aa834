import { flag, list, value } from "../program/types.ts";
import { parseDuration } from "../values/duration.ts";
import { parseVariable } from "../values/environment.ts";
import { parseAnyText, parseGuestDirectory, parseText } from "../values/text.ts";
import { secretOptions } from "./lent-options.ts";

/** What a command in a machine finds around it. */
export const surroundingOptions = {
  env: list({
    long: "env",
    short: "e",
    placeholder: "NAME[=VALUE]",
    description: "Set a variable; without a value, pass the host's on",
    hint: { kind: "environment" },
    parse: parseVariable,
  }),
  envFile: list({
    long: "env-file",
    placeholder: "FILE",
    description: "Read variables from a file, one NAME=VALUE a line",
    hint: { kind: "file" },
    parse: parseText,
  }),
  ...secretOptions,
  workdir: value({
    long: "workdir",
    short: "w",
    placeholder: "DIR",
    description: "Working directory in the guest",
    parse: parseGuestDirectory,
  }),
  user: value({
    long: "user",
    short: "u",
    placeholder: "USER[:GROUP]",
    description: "Run as this user, by name or number",
    parse: parseAnyText,
  }),
};

/** How a command is attached to who started it. */
export const sessionOptions = {
  interactive: flag({ long: "interactive", short: "i", description: "Pass stdin on to the command" }),
  tty: flag({ long: "tty", short: "t", description: "Give the command a terminal; -it for a shell" }),
  timeout: value({
    long: "timeout",
    placeholder: "DURATION",
    description: "Stop the command after this time (30s, 5m, 1h30m): exit code 124",
    parse: parseDuration,
  }),
};
