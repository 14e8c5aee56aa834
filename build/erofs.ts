import { writeErofsFromTar } from "../src/image/index.ts";

/** Turns one tar archive into an EROFS image, with the writer that user's images go through as well. */
export async function writeErofs(archive: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  await writeErofsFromTar([archive], path);
}
