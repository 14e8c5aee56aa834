import { ExitCode } from "../../errors.ts";
import { type CommandSpec, flag } from "./types.ts";

export const doctorOptions = {
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const doctor: CommandSpec<typeof doctorOptions> = {
  path: ["doctor"],
  aliases: [],
  summary: "Say which engines work on this host, and what to do about the others",
  options: doctorOptions,
  arguments: { kind: "none" },
  failureCode: ExitCode.failure,
  details: async () => (await import("../help/doctor.ts")).details,
  load: () => import("../commands/doctor.ts"),
};

/** The shells that `completion` knows. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

export const completion: CommandSpec<Record<never, never>> = {
  path: ["completion"],
  aliases: [],
  summary: "Print a shell's completion script",
  options: {},
  arguments: {
    kind: "words",
    placeholder: "SHELL",
    min: 1,
    max: 1,
    hint: { kind: "choice", values: SHELLS },
  },
  failureCode: ExitCode.failure,
  details: async () => (await import("../help/completion.ts")).details,
  load: () => import("../commands/completion.ts"),
};

export const help: CommandSpec<Record<never, never>> = {
  path: ["help"],
  aliases: [],
  summary: "Print the manual, or a command's help",
  options: {},
  arguments: { kind: "words", placeholder: "[COMMAND...]", min: 0, max: 3 },
  failureCode: ExitCode.failure,
  details: async () => (await import("../help/help.ts")).details,
  load: () => import("../commands/help.ts"),
};
