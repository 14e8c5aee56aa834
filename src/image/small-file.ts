import { writeSync } from "node:fs";
import { dirname } from "node:path";
import { NewFile } from "./newfile.ts";

/** Writes a small file in the place of whatever has its name; it is there in full or not at all. */
export function writeSmallFile(path: string, text: string): void {
  const file = new NewFile(dirname(path));
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(file.fd, bytes, done, bytes.length - done);
    file.commit(path);
  } finally {
    file.discard();
  }
}
