import { resolvePaths } from "../../../config/paths.ts";
import { listImages } from "../../../image/index.ts";
import { print, printJson } from "../../output.ts";
import type { imagesListOptions } from "../../table/images.ts";
import type { Invocation } from "../../table/types.ts";
import { summaryJson } from "./json.ts";
import { formatImages, namesOf, shortId } from "./table.ts";

/** `images ls`. */
export async function run({ values }: Invocation<typeof imagesListOptions>): Promise<number> {
  const images = await listImages(resolvePaths().cache);
  const { json, quiet, names, full, verbose } = values;
  if (json) {
    await printJson(images.map(summaryJson));
  } else if (quiet || names) {
    const lines = images.flatMap((image) => (names ? namesOf(image) : [full ? image.id : shortId(image.id)]));
    await print(lines.map((line) => `${line}\n`).join(""));
  } else {
    await print(formatImages(images, { full, verbose, now: Date.now() / 1000 }));
  }
  return 0;
}
