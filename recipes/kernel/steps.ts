/**
 * What decides how the kernel comes out, beside source, wishes, patches and compiler. This file imports nothing: a
 * change anywhere else in the build's machinery makes no new kernel, which would take minutes.
 */

/** What `make` needs besides a shell and the compiler: Documentation/process/changes.rst. */
export const tools = ["bc", "bison", "flex", "libc6-dev", "libelf-dev", "make", "patch", "perl", "xz-utils"];

/** The configuration: the wishes, and off for everything else. */
export const configureTarget = "allnoconfig";

/** What is made, where it is then, and how it becomes what the engines load. */
export const products = {
  // The ELF file has the PVH note for QEMU and the 64-bit entry for libkrun; symbols are for debuggers.
  x64: { arch: "x86_64", target: "vmlinux", file: "vmlinux", strip: ["strip", "--strip-all"] },
  arm64: { arch: "arm64", target: "Image", file: "arch/arm64/boot/Image", strip: undefined },
} as const;

/** Patches apply as they are or not at all. */
export const patchCommand = ["patch", "-p1", "-s", "--forward", "--fuzz=0", "--no-backup-if-mismatch"];

/** Nothing of the machine or the day gets into the image. */
export const environment = {
  KBUILD_BUILD_TIMESTAMP: "Wed, 01 Jan 2025 00:00:00 UTC",
  KBUILD_BUILD_USER: "smolvm",
  KBUILD_BUILD_HOST: "smolvm",
  KBUILD_BUILD_VERSION: "1",
  LOCALVERSION: "",
};
