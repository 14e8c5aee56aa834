import { type BlobExpectations, type DecodeOptions, decodeBlob } from "../blob/index.ts";
import { type TarHandler, TarReader } from "../tar/index.ts";

/**
 * Reads one layer to its end.
 *
 * @param source the layer's blob; chunks need to stay valid only until the next one is asked for.
 * @returns the digest of the archive in it.
 * @throws SmolError when anything is not as expected. What the handler was told is then of no use.
 */
export async function readLayer(
  source: AsyncIterable<Uint8Array>,
  expected: BlobExpectations,
  handler: TarHandler,
  options: DecodeOptions = {},
): Promise<string> {
  const reader = new TarReader(handler);
  const diffId = await decodeBlob(source, expected, (bytes) => reader.write(bytes), options);
  reader.finish();
  return diffId;
}
