import { imageDetails, imageInfo } from "./info.ts";
import { within } from "./limit.ts";
import type { Transport } from "./transport/types.ts";
import type { BuiltImage, CallOptions, ImageDetails, ImageInfo, OnProgress } from "./types/index.ts";

/**
 * The images that are kept on the host.
 *
 * @example
 * const sizes = (await images.list()).map(({ reference, sizeBytes }) => [reference, sizeBytes]);
 */
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

  /**
   * The last used one first.
   *
   * @example
   * const [latest] = await images.list();
   */
  async list(options: CallOptions = {}): Promise<ImageInfo[]> {
    const answer = await within("images.list", options, (signal) =>
      this.#transport().api({ operation: "listImages" }, { signal }),
    );
    return (answer as { readonly images: readonly unknown[] }).images.map(imageInfo);
  }

  /**
   * One, with its layers and how it is run. Asks no registry.
   *
   * @example
   * const { config } = await images.inspect("alpine:3.20");
   * console.log(config.entrypoint, config.command, config.env);
   * @param image a name, an id or its first digits, or the digest of a manifest
   * @throws ImageError `image.not_found`, `image.ambiguous_name`
   */
  async inspect(image: string, options: CallOptions = {}): Promise<ImageDetails> {
    const answer = await within("images.inspect", options, (signal) =>
      this.#transport().api({ operation: "inspectImage", query: { image } }, { signal }),
    );
    return imageDetails((answer as { readonly image: unknown }).image);
  }

  /**
   * Makes an image of a machine that has been stopped: the image that it has, and what it has changed above that.
   *
   * @example
   * await machine.stop();
   * const image = await images.commit(machine.name, { name: "tools:1", changes: ['CMD ["bash"]'] });
   * @throws InvalidStateError `machine.running`; ImageError; SmolvmError `machine.no_disks` when it was never started
   */
  async commit(
    machine: string,
    options: CallOptions & {
      /** What the image is called, as `app:1`. */
      readonly name: string;
      /** How it is run, as lines of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR. */
      readonly changes?: readonly string[] | undefined;
    },
  ): Promise<BuiltImage> {
    const { name, changes } = options;
    const body = { reference: name, changes };
    const answer = await within("images.commit", options, (signal) =>
      this.#transport().api({ operation: "commitMachine", name: machine, body }, { signal }),
    );
    const { id, reference, size } = answer as { id: string; reference: string; size: number };
    return { id, reference, sizeBytes: size };
  }

  /**
   * Takes a name off an image, which goes with its last one.
   *
   * @example
   * await images.remove("app:1");
   * @param options.force also an image that has several names, whose id is given
   * @throws ImageError `image.not_found`; SmolvmError when a machine is made of it
   */
  async remove(
    reference: string,
    options: CallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<void> {
    const body = { image: reference, force: options.force };
    await within("images.remove", options, (signal) =>
      this.#transport().api({ operation: "removeImage", body }, { signal }),
    );
  }

  /**
   * Removes those that nobody needs; with `all`, also those that have a name.
   *
   * @example
   * const { freedBytes } = await images.prune();
   */
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
