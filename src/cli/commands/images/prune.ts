import { resolvePaths } from "../../../config/paths.ts";
import { pruneImages } from "../../../image/index.ts";
import { print, printJson } from "../../output.ts";
import { removedJson } from "./json.ts";
import { formatPruned } from "./removed.ts";

interface PruneValues {
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** `images prune`. */
export async function run({ values }: { readonly values: PruneValues }): Promise<number> {
  const { all, dryRun, json } = values;
  const removed = await pruneImages(resolvePaths().cache, { all, dryRun });
  if (json) await printJson(removedJson(removed, dryRun));
  else await print(formatPruned(removed, values));
  return 0;
}
