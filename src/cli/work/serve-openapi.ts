import { messageOf, SmolError } from "../../errors.ts";
import { isReplaceable } from "../../image/newfile.ts";
import { writeSmallFile } from "../../image/small-file.ts";

/** Writes the document where the user wants it; it is there in full or not at all. @throws SmolError `serve.unwritable` */
export function writeDocument(path: string, text: string): void {
  try {
    if (!isReplaceable(path)) throw new Error("it is there, and is no regular file");
    writeSmallFile(path, text);
  } catch (error) {
    throw new SmolError("serve.unwritable", `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
}
