import { write } from "node:fs";
import { SmolError } from "../../errors.ts";
import { diskError } from "../disk.ts";
import { decompress } from "../layer/index.ts";
import { limits } from "../limits.ts";
import { attempt } from "../make.ts";
import { NewFile } from "../newfile.ts";
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
  const file = attempt(() => new NewFile(directory));
  try {
    let size = 0;
    for await (const chunk of decompress(stream)) {
      await append(file.fd, chunk, size);
      size += chunk.length;
      if (size > limits.totalBytes) {
        throw new SmolError("image.limit", `${name} has more than ${limits.totalBytes} bytes`);
      }
      onProgress(size);
    }
    return { source: new FileSource(name, file.fd), close: () => file.discard() };
  } catch (error) {
    file.discard();
    throw error;
  }
}

async function append(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += await new Promise<number>((resolve, reject) => {
      write(fd, bytes, done, bytes.length - done, position + done, (error, count) => {
        if (error === null) resolve(count);
        else reject(diskError(error));
      });
    });
  }
}
