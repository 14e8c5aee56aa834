/** Folders of the host in a running machine: the mounts in its guest, and the process that serves them. */
export { type SharedVolumes, shareVolumes } from "./share.ts";
