import { readFileSync } from "node:fs";
import { namesIn } from "../../host/index.ts";
import { describeImage } from "./describe.ts";
import { isInUse } from "./pin.ts";
import { imagePaths } from "./stored-image.ts";

/** An image that this version of the program cannot read, and that something needs. */
export interface ForeignImage {
  readonly id: string;
  readonly diffIds: readonly string[];
}

/**
 * The images of other versions of the program that are in use: an older one still runs a machine, or a machine that it
 * made will be started again. What nobody uses of these is nobody's.
 */
export function foreignImages(directory: string): ForeignImage[] {
  return namesIn(directory).flatMap((name) => {
    const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
    if (hex === undefined) return [];
    const id = `sha256:${hex}`;
    if (describeImage(directory, id) !== undefined || !isInUse(directory, id)) return [];
    return [{ id, diffIds: layersOf(imagePaths(directory, id).description) }];
  });
}

/** What has stood in every version's description so far. */
function layersOf(path: string): string[] {
  try {
    const { layers } = JSON.parse(readFileSync(path, "utf8")) as { layers?: unknown };
    if (!Array.isArray(layers)) return [];
    return layers.flatMap((layer: { diffId?: unknown } | null) =>
      typeof layer?.diffId === "string" ? [layer.diffId] : [],
    );
  } catch {
    return [];
  }
}
