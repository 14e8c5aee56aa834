/**
 * libkrun by bun:ffi (include/libkrun.h, version 1.19). Only what a VM of ours is made of. Called only in a VMM process
 * of its own, because `krun_start_enter` takes the process over; on Linux by launcher/krun/krun.c instead.
 */
import { dlopen, FFIType } from "bun:ffi";

const { bool, i32, ptr, u8, u32, u64 } = FFIType;

const symbols = {
  krun_init_log: { args: [i32, u32, u32, u32], returns: i32 },
  krun_create_ctx: { args: [], returns: i32 },
  krun_set_vm_config: { args: [u32, u8, u32], returns: i32 },
  krun_set_kernel: { args: [u32, ptr, u32, ptr, ptr], returns: i32 },
  krun_add_disk3: { args: [u32, ptr, ptr, u32, bool, bool, u32], returns: i32 },
  krun_add_virtiofs3: { args: [u32, ptr, ptr, u64, bool], returns: i32 },
  krun_disable_implicit_vsock: { args: [u32], returns: i32 },
  krun_add_vsock: { args: [u32, u32], returns: i32 },
  krun_add_vsock_port2: { args: [u32, u32, ptr, bool], returns: i32 },
  krun_add_net_unixstream: { args: [u32, ptr, i32, ptr, u32, u32], returns: i32 },
  krun_set_console_output: { args: [u32, ptr], returns: i32 },
  krun_set_gpu_options2: { args: [u32, u32, u64], returns: i32 },
  krun_start_enter: { args: [u32], returns: i32 },
} as const;

/** The calls above, and their arguments where the header names them. */
export const Krun = {
  functions: symbols,
  u64,
  logLevel: { off: 0, error: 1, warn: 2 },
  logStyleNever: 2,
  logIgnoreEnvironment: 1,
  kernelFormat: { raw: 0, elf: 1 },
  diskFormat: { raw: 0, vmdk: 2 },
  /** What a guest's flush does: nothing, or fsync. */
  sync: { none: 0, full: 2 },
  /** No transparent socket impersonation: it would give the guest the host's network. */
  noTsi: 0,
  /**
   * Features of a network card (virtio_net.h). The wire has no room for the headers of offloads, but frames may be as
   * large as IP's packets: CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_UFO, HOST_TSO4 and HOST_UFO. Without those of the guest
   * its driver would have receive buffers of 1500 bytes only.
   */
  netFeatures: (1 << 0) | (1 << 1) | (1 << 7) | (1 << 10) | (1 << 11) | (1 << 14),
  /**
   * How virglrenderer draws (virglrenderer.h): EGL, contexts of the host's own driver, fences on a thread. Vulkan would
   * need a process of its own beside the VMM's, which may start none.
   */
  gpuFlags: (1 << 0) | (1 << 1) | (1 << 8) | (1 << 10),
} as const;

/** KRUN_FEATURE_GPU. */
const GPU = 2n;

/**
 * Whether the library was built with a GPU.
 *
 * @param path absolute path of libkrun.so.1
 * @throws the error of dlopen(3), which names a library that is missing
 */
export function krunHasGpu(path: string): boolean {
  const library = dlopen(path, { krun_has_feature: { args: [u64], returns: i32 } });
  try {
    return library.symbols.krun_has_feature(GPU) === 1;
  } finally {
    library.close();
  }
}

/**
 * Loads the library.
 *
 * @param path absolute path of libkrun.so.1
 * @throws the error of dlopen(3)
 */
export function openKrun(path: string) {
  return dlopen(path, symbols).symbols;
}
