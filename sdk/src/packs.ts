import { resolve } from "node:path";
import { errorOf } from "./errors.ts";
import { within } from "./limit.ts";
import type { Transport } from "./transport/types.ts";
import type { CallOptions } from "./types/index.ts";

/**
 * What `smolvm pack create --json` tells.
 *
 * @example
 * const pack: PackInfo = await packs.create({ image: "alpine:3.20", output: "tools" });
 * console.log(pack.path, pack.totalBytes);
 */
export interface PackInfo {
  readonly path: string;
  readonly image: string | null;
  readonly platform: string;
  readonly totalBytes: number;
}

/** Machines as files. Not over a server. */
export class Packs {
  readonly #transport: () => Transport;

  /** @internal */
  constructor(transport: () => Transport) {
    this.#transport = transport;
  }

  /**
   * Packs an image, or a machine that has been stopped; `Machine.create({ from: path })` makes machines of it.
   *
   * @example
   * const { path } = await packs.create({ image: "python:3.12-alpine", output: "python" });
   * @throws SmolvmError `pack.*`, `image.*`
   */
  async create(
    options: CallOptions & {
      /** Its path, to which `.smolmachine` is added. */
      readonly output: string;
      /** Of a registry or the cache. */
      readonly image?: string | undefined;
      /** In place of `image`: the name of a machine. */
      readonly machine?: string | undefined;
      readonly cpus?: number | undefined;
      readonly memoryMiB?: number | undefined;
      /** Carry no smolvm for hosts that have none. */
      readonly noRuntime?: boolean | undefined;
    },
  ): Promise<PackInfo> {
    const { image, machine, output, cpus, memoryMiB, noRuntime } = options;
    const words = ["pack", "create", "-o", resolve(output)];
    if ((image === undefined) === (machine === undefined))
      throw errorOf({ code: "sdk.bad_request", message: "one of image and machine is packed" });
    if (image !== undefined) words.push("--image", image);
    if (machine !== undefined) words.push("--from-vm", machine);
    if (cpus !== undefined) words.push("--cpus", String(cpus));
    if (memoryMiB !== undefined) words.push("--mem", String(memoryMiB));
    if (noRuntime) words.push("--no-runtime");
    const made = (await within("packs.create", options, (signal) =>
      this.#transport().program(words, { signal }),
    )) as { path: string; image: string | null; platform: string; total_bytes: number };
    return { path: made.path, image: made.image, platform: made.platform, totalBytes: made.total_bytes };
  }

  /** What a pack says about itself, as `smolvm pack inspect --json` tells it (docs/packs.md). */
  async inspect(path: string, options: CallOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    return (await within("packs.inspect", options, (signal) =>
      this.#transport().program(["pack", "inspect", resolve(path)], { signal }),
    )) as Readonly<Record<string, unknown>>;
  }
}
