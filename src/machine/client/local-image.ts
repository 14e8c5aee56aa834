import type { Context } from "../../context.ts";
import { isLocalImage } from "../../image/source-kind.ts";
import { type MachineSpec, newRecord } from "../model/index.ts";
import { argumentsOf, type ImageOptions, resolveImage } from "../plan/index.ts";
import { pinImageOf } from "./keep-image.ts";

/** A description whose image nobody removes from the cache until it is released. */
export interface KeptSpec {
  readonly spec: MachineSpec;
  /** To be called once a record with the description is in its place, or will never be. */
  release(): void;
}

/**
 * Takes an image of this host, be it a file, a directory, a pack or what comes on stdin, into the cache: the machine does not
 * need it any more then. An image of a registry is left to the first start.
 *
 * @throws SmolError `image.*` when it is none, or the machine could not run what it says; the signal's reason
 */
export async function keepLocalImage(
  context: Context,
  spec: MachineSpec,
  options: ImageOptions,
): Promise<KeptSpec> {
  const { image } = spec;
  const isLocal = image !== null && (options.pack !== undefined || isLocalImage(image));
  if (!isLocal) return { spec, release: () => {} };
  const checkConfig: ImageOptions["checkConfig"] = (config) => void argumentsOf(spec, config);
  const { facts, durable, release } = await resolveImage(context, image, { ...options, checkConfig });
  try {
    await durable;
    const { id } = facts;
    // What came on stdin has no other name.
    const kept = { ...spec, imageId: id, image: image === "-" ? id : image };
    const pin = await pinImageOf(context.paths, newRecord(kept, Date.now()));
    return { spec: kept, release: () => pin?.release() };
  } finally {
    release();
  }
}
