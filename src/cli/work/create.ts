import type { Context } from "../../context.ts";
// Not the folder's face, which loads more.
import { isLocalImage } from "../../image/source-kind.ts";
import type { Created, CreateOptions, ImageOptions, MachineSpec } from "../../machine/index.ts";
import type { Machines } from "../machines.ts";

/**
 * `createKept` for somebody in front of it, who may interrupt it; an image called `-` is on stdin.
 *
 * @throws SmolError as `createKept` and `checkGpu`; Interrupted
 */
export async function createInterruptible(
  machines: Machines,
  context: Context,
  spec: MachineSpec,
  image: ImageOptions,
  options: CreateOptions = {},
): Promise<Created> {
  if (spec.gpu) await machines.checkGpu(context, spec);
  const isLocal = spec.image !== null && (image.pack !== undefined || isLocalImage(spec.image));
  if (!isLocal) return machines.createMachine(context, spec, options);
  const [{ interruptible }, { readStdin }] = await Promise.all([
    import("./interruptible.ts"),
    import("../terminal/index.ts"),
  ]);
  const stdin = spec.image === "-" ? readStdin() : undefined;
  return await interruptible((signal) =>
    machines.createKept(context, spec, { ...image, stdin, signal }, options),
  );
}
