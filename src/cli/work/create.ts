import type { Context } from "../../context.ts";
// Not the folder's face, which loads more.
import { isLocalImage } from "../../image/source-kind.ts";
import type { Created, CreateOptions, ImageOptions, MachineSpec } from "../../machine/index.ts";
import { isThere, type Machines } from "../machines.ts";

/**
 * Makes a machine that stays. An image of this host is taken into the cache first; one of a registry is left to the
 * first start.
 *
 * @throws SmolError `machine.exists`, `machine.differs`, `machine.bad_name`, `image.*`; Interrupted
 */
export async function createKept(
  machines: Machines,
  context: Context,
  spec: MachineSpec,
  image: ImageOptions,
  options: CreateOptions = {},
): Promise<Created> {
  const { name } = spec;
  const isStdin = spec.image === "-";
  // Whoever asks for a name that is taken need not wait for an image, unless that has to be compared.
  const isTaken = isThere(machines, context, name) && !(isStdin && options.ifNotExists);
  const isLocal = spec.image !== null && (image.pack !== undefined || isLocalImage(spec.image));
  if (isTaken || !isLocal) return machines.createMachine(context, spec, options);
  const [{ interruptible }, { readStdin }] = await Promise.all([
    import("./interruptible.ts"),
    import("../terminal/index.ts"),
  ]);
  return await interruptible(async (signal) => {
    const stdin = isStdin ? readStdin() : undefined;
    const kept = await machines.keepLocalImage(context, spec, { ...image, stdin, signal });
    try {
      return machines.createMachine(context, kept.spec, options);
    } finally {
      kept.release();
    }
  });
}
