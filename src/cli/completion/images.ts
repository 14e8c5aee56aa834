import { program } from "../commands/index.ts";

/** What prints the names of the images on this host, one a line. */
export const IMAGE_NAMES = "images ls --names";

/** Commands that take several words: the first one does not end what can be completed. */
export const MANY_WORDS: readonly string[] = program.commands.flatMap(({ path, arguments: expected }) =>
  expected.kind === "words" && expected.max > 1 && expected.hint !== undefined ? [path.join(" ")] : [],
);
