import { SmolError } from "../../errors.ts";
import { reusing } from "../blob/index.ts";
import { writeFully } from "../disk.ts";
import { limits } from "../limits.ts";
import { attempt } from "../make.ts";
import { NewFile } from "../newfile.ts";
import { slices, Turns } from "../turns.ts";
import { FileSource } from "./file-source.ts";

/**
 * Copies a stream that cannot be read by offset (standard input, or a compressed archive) to a file without a name in
 * the cache, decompressed. The file is gone as soon as it is closed.
 *
 * @param name what to call the stream in errors.
 */
export async function spool(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  directory: string,
  onProgress: (bytes: number) => void,
): Promise<{ source: FileSource; close(): void }> {
  const { Decompressor } = await import("../blob/decompress.ts");
  const file = attempt(() => new NewFile(directory));
  const turns = new Turns();
  let size = 0;
  const output = reusing((bytes) => {
    writeFully(file.fd, bytes, size);
    size += bytes.length;
    if (size > limits.totalBytes) {
      throw new SmolError("image.limit", `${name} has more than ${limits.totalBytes} bytes`);
    }
  });
  const decompressor = new Decompressor(output, name);
  try {
    for await (const chunk of stream) {
      for (const slice of slices(chunk)) {
        decompressor.write(slice);
        await turns.give();
      }
      onProgress(size);
    }
    decompressor.finish();
    return { source: new FileSource(name, file.fd), close: () => file.discard() };
  } catch (error) {
    file.discard();
    throw error;
  } finally {
    decompressor.close();
  }
}
