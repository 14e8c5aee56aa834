import { type Arguments, flag } from "../program/types.ts";

/** More names than anybody types; a shell's own limit is not far above. */
const MAX_NAMES = 1000;

/** One or more images that are kept on this host, or may be. */
export const imageNames: Arguments = {
  kind: "words",
  placeholder: "IMAGE...",
  min: 1,
  max: MAX_NAMES,
  hint: { kind: "image" },
};

/** What both `prune` commands take. */
export const pruneOptions = {
  all: flag({ long: "all", short: "a", description: "Remove every image that no machine uses" }),
  dryRun: flag({ long: "dry-run", description: "Only say what would be removed" }),
  json: flag({ long: "json", description: "Print a JSON object" }),
};
