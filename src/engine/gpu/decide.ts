/** What of a host decides whether its machines can have a GPU. */
export interface GpuHost {
  readonly platform: NodeJS.Platform;
  /** A card without anything behind it was asked for: SMOLVM_GPU=2d. */
  readonly plain: boolean;
  /** The machines' kernel has a driver. */
  readonly hasDriver: boolean;
  /** The host's GPUs, in the order of their names. */
  readonly renderNodes: readonly RenderNode[];
  /** Tries the engine with the device; null: without a GPU of the host's behind it. @returns undefined when it works */
  readonly tryDevice: (renderNode: string | null) => Promise<Problem | undefined>;
}

export interface RenderNode {
  readonly path: string;
  /** Whether this user may open it for reading and writing. */
  readonly usable: boolean;
}

export interface Problem {
  readonly reason: string;
  /** A sentence or a command. */
  readonly fix?: string | undefined;
}

export type GpuVerdict =
  | { readonly works: true; readonly renderNode: string | null }
  | ({ readonly works: false } & Problem);

/** What can be done where none of this helps. */
const ELSEWHERE =
  "run what needs the GPU on the host, and reach it from the machine with --allow-host-loopback";

const no = (reason: string, fix: string = ELSEWHERE): GpuVerdict => ({ works: false, reason, fix });

/** The first thing that is missing, from the one that is hardest to get to the easiest; each with its setup. */
export async function decideGpu(host: GpuHost): Promise<GpuVerdict> {
  if (host.platform !== "linux") return no("only Linux hosts can lend theirs");
  if (!host.hasDriver)
    return no(
      "the kernel of this build of smolvm has no driver for one",
      "use a released build, or ./dev build",
    );
  if (host.plain) return await tried(host, null);
  const [first] = host.renderNodes;
  if (first === undefined)
    return no("this host has no GPU with a driver of the kernel's (no /dev/dri/renderD*)");
  const usable = host.renderNodes.find((node) => node.usable);
  if (usable !== undefined) return await tried(host, usable.path);
  return no(`no permission to open ${first.path}`, "sudo usermod -aG render $USER, then log in again");
}

async function tried({ tryDevice }: GpuHost, renderNode: string | null): Promise<GpuVerdict> {
  const problem = await tryDevice(renderNode);
  return problem === undefined ? { works: true, renderNode } : no(problem.reason, problem.fix);
}
