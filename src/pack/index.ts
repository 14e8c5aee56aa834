/**
 * Packs: a machine and its files as one file to hand over (docs/pack-format.md).
 *
 * Writing: `PackWriter`. Reading: `openPack`, which verifies what everything else hangs on; whatever is read from a
 * pack after that is verified before it is given out.
 */
export { type Blob, CHUNK, type Chunk } from "./chunk-index.ts";
export { platformOf } from "./config.ts";
export { type CreatePackOptions, createPack, hostName } from "./create.ts";
export { unwritable } from "./failure.ts";
export { FOOTER_BYTES, FORMAT_VERSION, type Section } from "./format.ts";
export type { Manifest, PackedLayer, PackedNetwork } from "./manifest.ts";
export { isUnpacked, type OpenPackedOptions, openPackedImage, type PackSource } from "./open-image.ts";
export { type OpenPackOptions, openPack, type Pack } from "./read.ts";
export { archivedRuntime, type ReleaseArchive, releaseArchive } from "./release-archive.ts";
export { type OwnRuntimeOptions, ownRuntime, type RuntimeOptions, writeLauncher } from "./runtime.ts";
export { makeKeys, readPrivateKey, readPublicKey } from "./sign.ts";
export { hostsOwn, packedSettings, UNNAMED } from "./spec.ts";
export { verifyPack } from "./verify.ts";
export { type FinishOptions, PackWriter, type RuntimeFile, type WrittenPack } from "./write.ts";
