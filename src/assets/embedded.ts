import { readFileSync } from "node:fs";
import { SmolError } from "../errors.ts";
import type { Embedded } from "./types.ts";

let loaded: Embedded | undefined;

/**
 * What this program carries. `build.ts` replaces this module in the compiled program by one that imports the
 * packed files themselves; this one serves a run from source with what the last build left in `dist/assets/`.
 */
export function embedded(): Embedded {
  loaded ??= readIndex(new URL("../../dist/assets", import.meta.url).pathname);
  return loaded;
}

/** The index names files of its own directory. */
function readIndex(directory: string): Embedded {
  let index: Embedded;
  try {
    index = JSON.parse(readFileSync(`${directory}/index.json`, "utf8")) as Embedded;
  } catch (cause) {
    throw new SmolError("assets.not_built", "this checkout has no built assets", {
      hint: "./dev build",
      cause,
    });
  }
  const assets = Object.entries(index.assets).map(([name, asset]) => {
    return [name, { ...asset, file: `${directory}/${asset.file}` }];
  });
  return {
    ...index,
    assets: Object.fromEntries(assets),
    manifest: `${directory}/${index.manifest}`,
    licences: `${directory}/${index.licences}`,
  };
}
