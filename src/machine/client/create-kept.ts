import type { Context } from "../../context.ts";
import { isLocalImage } from "../../image/source-kind.ts";
import type { MachineSpec } from "../model/index.ts";
import type { ImageOptions } from "../plan/index.ts";
import { type Created, type CreateOptions, createMachine } from "./create.ts";
import { listMachineNames } from "./info.ts";
import { keepLocalImage } from "./local-image.ts";

/**
 * Makes a machine that stays. An image of this host, or of a pack, is taken into the cache first; one of a registry is left to the
 * first start.
 *
 * @throws SmolError as `createMachine` and `keepLocalImage`; the signal's reason
 */
export async function createKept(
  context: Context,
  spec: MachineSpec,
  image: ImageOptions,
  options: CreateOptions = {},
): Promise<Created> {
  // Whoever asks for a name that is taken need not wait for an image, unless that has to be compared.
  const isTaken =
    listMachineNames(context).includes(spec.name) && !(spec.image === "-" && options.ifNotExists);
  const isLocal = spec.image !== null && (image.pack !== undefined || isLocalImage(spec.image));
  if (isTaken || !isLocal) return createMachine(context, spec, options);
  const kept = await keepLocalImage(context, spec, image);
  try {
    return createMachine(context, kept.spec, options);
  } finally {
    kept.release();
  }
}
