/** Texts that people write and read, whatever they stand in: options, variables, files. */
export { parseSpan } from "./duration.ts";
export { parseMoment } from "./moment.ts";
export { nearest } from "./nearest.ts";
export { bytesIn } from "./size.ts";
export { oneLine, quote } from "./text.ts";
