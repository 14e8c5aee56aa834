/** Finds out what `decideGpu` has to know. */
import { accessSync, constants, readFileSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { namesIn } from "../../host/index.ts";
import type { EngineName } from "../types.ts";
import type { GpuHost, Problem, RenderNode } from "./decide.ts";

export interface GpuHostOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The machines' kernel. */
  readonly kernel: string;
  /** libkrun.so.1, for the krun engine. */
  readonly libkrun?: string | undefined;
}

/** Where the kernel of a Linux host has its GPUs. */
const NODES = "/dev/dri";

/** How the driver is called, in each kernel that has it. */
const DRIVER = "virtio_gpu";

/** @throws SmolError `engine.bad_gpu` for a SMOLVM_GPU that means nothing; `engine.bad_qemu` */
export async function describeGpuHost(engine: EngineName, options: GpuHostOptions): Promise<GpuHost> {
  const { env, kernel, libkrun } = options;
  return {
    platform: process.platform,
    plain: isPlain(env),
    hasDriver: readFileSync(kernel).includes(DRIVER),
    renderNodes: renderNodes(NODES),
    tryDevice: async (renderNode): Promise<Problem | undefined> => {
      if (engine === "qemu") return (await import("./qemu.ts")).tryQemuGpu(env, renderNode);
      return (await import("./krun.ts")).tryKrunGpu(libkrun, renderNode);
    },
  };
}

/** @throws SmolError `engine.bad_gpu` */
function isPlain({ SMOLVM_GPU: given }: GpuHostOptions["env"]): boolean {
  if (!given) return false;
  if (given === "2d") return true;
  throw new SmolError("engine.bad_gpu", `SMOLVM_GPU must be 2d, not ${JSON.stringify(given.slice(0, 80))}`, {
    hint: "unset it to have the host's GPU",
  });
}

/** @param directory /dev/dri, or one that is made like it */
export function renderNodes(directory: string): RenderNode[] {
  return namesIn(directory)
    .filter((name) => /^renderD\d{1,4}$/.test(name))
    .sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)))
    .map((name) => ({ path: `${directory}/${name}`, usable: isUsable(`${directory}/${name}`) }));
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
