/** Writing EROFS images (read-only filesystem of the Linux kernel), in one pass and without root. */
export { type DataRun, ErofsWriter } from "./writer.ts";
export { isStorable } from "./xattr.ts";
