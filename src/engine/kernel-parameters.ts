/** Kernel parameters that make a guest start fast and end cleanly (Documentation/admin-guide/kernel-parameters.txt). */

/**
 * Parameters that every engine gives.
 *
 * - `panic=-1`: a panic is a reboot, and a reboot ends the VM.
 * - `rcupdate.rcu_expedited=1`: boot waits for no lazy grace periods.
 * - `cryptomgr.notests`, `initcall_blacklist=jent_mod_init`: no self-tests of algorithms that nothing uses; the
 *   kernel's random numbers do not come from the jitter generator (drivers/char/random.c), the CPU seeds them.
 * - `dummy.numdummies=0`, `ifb.numifbs=0`, `fb_tunnels=none`: no network interface that nobody asked for.
 * - `swiotlb=noforce`: no bounce buffers, 64 MiB that a guest of more than 4 GiB would fill with zeros at boot for
 *   devices that cannot reach all memory; ours can.
 * - `mitigations=off`: one tenant, whose programs are not protected from each other's speculation; what protects the
 *   host is the host's. A later `mitigations=auto` (`--mitigations`) wins.
 */
export const COMMON_PARAMETERS: readonly string[] = [
  "console=hvc0",
  "quiet",
  "panic=-1",
  "rcupdate.rcu_expedited=1",
  "cryptomgr.notests",
  "initcall_blacklist=jent_mod_init",
  "dummy.numdummies=0",
  "ifb.numifbs=0",
  "fb_tunnels=none",
  "swiotlb=noforce",
  "mitigations=off",
];

/** x86: the time stamp counter is the clock and is not checked against slower ones; no test of the old timer. */
export const X86_CLOCK_PARAMETERS: readonly string[] = ["tsc=reliable", "no_timer_check"];

/** COMMAND_LINE_SIZE of x86 and arm64 without the zero at its end; a kernel drops what is behind, without a word. */
export const KERNEL_COMMAND_LINE_BYTES = 2047;
