/**
 * Images: from archives, layouts and directories to bootable EROFS files, and the cache that keeps them.
 *
 * Everything heavy is loaded when it is needed: opening an image that is in the cache costs a few milliseconds.
 */
import type { WriteErofsOptions, WrittenErofs } from "./write.ts";

export { isLocalImage, openLocalImage } from "./open.ts";
export type { BootableImage, ImageConfig, ImageProgress, OpenImageOptions, Platform } from "./types.ts";
export type { WriteErofsOptions, WrittenErofs };

/**
 * Turns archives (plain, gzip or zstd), applied one over the other, into an EROFS image at `path`, which appears in
 * full or not at all, and replaces a file that is there. The same archives give the same bytes.
 *
 * @throws SmolError when an archive is damaged or beyond the limits, or the image cannot be written.
 */
export async function writeErofsFromTar(
  layers: readonly AsyncIterable<Uint8Array>[],
  path: string,
  options: WriteErofsOptions = {},
): Promise<WrittenErofs> {
  const module = await import("./write.ts");
  return await module.writeErofsFromTar(layers, path, options);
}

/**
 * Puts one file of the host into an EROFS image at `path`, as `/<name>`, owned by root, mode 0555.
 *
 * @throws SmolError when the file cannot be read or the image cannot be written.
 */
export async function writeErofsFromFile(
  source: string,
  name: string,
  path: string,
): Promise<{ sizeBytes: number }> {
  const module = await import("./write.ts");
  return await module.writeErofsFromFile(source, name, path);
}
