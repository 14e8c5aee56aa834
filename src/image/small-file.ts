import { dirname } from "node:path";
import { NewFile } from "./newfile.ts";

/** Writes a small file in the place of whatever has its name; it is there in full or not at all. */
export function writeSmallFile(path: string, text: string): void {
  const file = new NewFile(dirname(path));
  try {
    file.writeAt(Buffer.from(text), 0);
    file.commit(path);
  } finally {
    file.discard();
  }
}
