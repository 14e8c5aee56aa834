import { command } from "../../program/command.ts";
import { value } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { wholeNumberUpTo } from "../../values/size.ts";
import { imagesPrune, pruneAll } from "../images/prune.ts";

/** More images than a cache holds. */
const MAX_KEPT = 1_000_000;

/** What packs were unpacked to is in the image cache. */
export const packPrune = command({
  path: ["pack", "prune"],
  duration: "med",
  summary: "Remove images of packs, and images that nobody needs",
  options: {
    ...imagesPrune.options,
    keep: value({
      long: "keep",
      placeholder: "N",
      description: "Remove images of packs and files that no machine uses, but the last N",
      parse: wholeNumberUpTo(MAX_KEPT),
    }),
  },
  text: `Packs are unpacked to the image cache, and this is images prune: without options, images of packs
stay. --keep N removes those images without a name (of packs, and of files given to --image) that
no machine is made of, except the N that were used last. The next run of their pack unpacks it
again. --all removes every image that no machine is made of.

--json prints the object of images prune.`,
  examples: [{ command: "smolvm pack prune --keep 5" }, { command: "smolvm pack prune --all --dry-run" }],
  run: ({ values }) => {
    if (values.all && values.keep !== undefined) {
      throw usageError("cli.conflict", "--all and --keep exclude each other");
    }
    return pruneAll(values, { keepUnnamed: values.keep });
  },
});
