/**
 * Files between the host and a machine: what is sent, what is made, and what a hostile guest cannot make of it. Knows no
 * machine: it gets the streams of the guest's program that packs or unpacks (agent/pack.c, agent/unpack.c).
 */
export { byWayOf, type CopyProgress, type GuestSide } from "./guest-side.ts";
export { LimitedCopy } from "./limit.ts";
export { baseName } from "./names.ts";
export type { FileTarget } from "./plain-file.ts";
export type { DownloadRequest, UploadRequest } from "./transfer.ts";
export { download, upload } from "./transfer.ts";
