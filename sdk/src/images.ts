import { imageInfo } from "./info.ts";
import { within } from "./limit.ts";
import type { Transport } from "./transport/types.ts";
import type { CallOptions, ImageInfo, OnProgress } from "./types.ts";

/** The images that are kept on the host. */
export class Images {
  readonly #transport: () => Transport;

  /** @internal */
  constructor(transport: () => Transport) {
    this.#transport = transport;
  }

  /**
   * Gets an image of a registry, or looks for a newer one.
   *
   * @example
   * await images.pull("python:3.12-alpine", { onProgress: (event) => console.error(event) });
   * @throws ImageError
   */
  async pull(
    reference: string,
    options: CallOptions & {
      /** Such as linux/arm64. Default: the host's. */
      readonly platform?: string | undefined;
      readonly onProgress?: OnProgress | undefined;
    } = {},
  ): Promise<ImageInfo> {
    const { platform, onProgress } = options;
    return imageInfo(
      await within("pull", options, (signal) =>
        this.#transport().pull(reference, platform, { signal, onProgress }),
      ),
    );
  }

  /** The last used one first. */
  async list(options: CallOptions = {}): Promise<ImageInfo[]> {
    const answer = await within("images.list", options, (signal) =>
      this.#transport().api({ operation: "listImages" }, { signal }),
    );
    return (answer as { readonly images: readonly unknown[] }).images.map(imageInfo);
  }

  /** Removes those that nobody needs; with `all`, also those that have a name. */
  async prune(
    options: CallOptions & { readonly all?: boolean | undefined } = {},
  ): Promise<{ readonly freedBytes: number }> {
    const body = { all: options.all };
    const answer = await within("images.prune", options, (signal) =>
      this.#transport().api({ operation: "pruneImages", body }, { signal }),
    );
    return { freedBytes: (answer as { readonly freedBytes: number }).freedBytes };
  }
}
