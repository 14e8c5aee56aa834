/**
 * The sandbox of macOS, by bun:ffi: the function that browsers and Nix call; sandbox_init(3) takes no profile of one's
 * own.
 */
import { CString, dlopen, FFIType, type Pointer, ptr } from "bun:ffi";

/**
 * From here on this process, with all its threads and whatever takes its place, does nothing that the profile denies.
 *
 * @param profile in Apple's language for them (src/confine/seatbelt.ts)
 * @throws Error with the kernel's words when it does not take the profile
 */
export function enterSandbox(profile: string): void {
  const { symbols } = dlopen("/usr/lib/libSystem.B.dylib", {
    sandbox_init_with_parameters: {
      args: [FFIType.ptr, FFIType.u64, FFIType.ptr, FFIType.ptr],
      returns: FFIType.i32,
    },
  });
  const text = Buffer.from(`${profile}\0`);
  // No parameters: a list of pointers that ends at once. Then a place for a pointer to why it failed.
  const none = new BigUint64Array(1);
  const reason = new BigUint64Array(1);
  if (symbols.sandbox_init_with_parameters(ptr(text), 0, ptr(none), ptr(reason)) === 0) return;
  const address = Number(reason[0] ?? 0n);
  throw new Error(address === 0 ? "no reason was given" : new CString(address as Pointer).toString());
}
