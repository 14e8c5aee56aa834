/** Blobs of layers: decompressing and checking, on threads of their own where that is worth it. */
export { type Compression, detectCompression, MAGIC_BYTES, refuseOtherCompression } from "./compression.ts";
export { type DecodeOptions, decodeBlob } from "./decode.ts";
export { Digester } from "./digest.ts";
export { type BlobExpectations, wrongSize } from "./expected.ts";
export { reusing } from "./output.ts";
export { DecoderThreads } from "./threads.ts";
