import { command } from "./command.ts";
import { flag } from "./types.ts";

export const doctorOptions = {
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const doctor = command({
  path: ["doctor"],
  summary: "Say which engines work on this host, and what to do about the others",
  options: doctorOptions,
  details: async () => (await import("../help/doctor.ts")).details,
  load: () => import("../commands/doctor.ts"),
});

/** The shells that `completion` knows. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

export const completion = command({
  path: ["completion"],
  summary: "Print a shell's completion script",
  options: {},
  arguments: {
    kind: "words",
    placeholder: "SHELL",
    min: 1,
    max: 1,
    hint: { kind: "choice", values: SHELLS },
  },
  details: async () => (await import("../help/completion.ts")).details,
  load: () => import("../commands/completion.ts"),
});

export const licences = command({
  path: ["licences"],
  aliases: ["licenses"],
  summary: "Print the licences of everything in this program",
  options: {},
  details: async () => (await import("../help/licences.ts")).details,
  load: () => import("../commands/licences.ts"),
});

export const help = command({
  path: ["help"],
  summary: "Print the manual, or a command's help",
  options: {},
  arguments: { kind: "words", placeholder: "[COMMAND...]", min: 0, max: 3 },
  details: async () => (await import("../help/help.ts")).details,
  load: () => import("../commands/help.ts"),
});
