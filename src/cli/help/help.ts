import type { Details } from "../table/types.ts";

export const details: Details = {
  text: "Without a command, prints the manual; with one, the same as its --help.",
  examples: [{ command: "smolvm help machine run" }],
};
