import type { AssetName } from "./types.ts";

/** The file that an asset is, where the build makes it and where a machine finds it unpacked. */
export const fileNames: Record<AssetName, string> = {
  kernel: "kernel",
  libkrun: "libkrun.so.1",
  launcher: "launcher",
  krun: "krun",
  threads: "threads.so",
  memory: "memory.so",
  system: "system.erofs",
  base: "base.erofs",
  overlay: "overlay.ext4",
  storage: "storage.ext4",
  small: "small.ext4",
  stub: "stub",
};

/** Those that are programs. */
export const executables: ReadonlySet<AssetName> = new Set<AssetName>(["launcher", "krun"]);
