/** What is removed for a machine that has ended, where its own process may change nothing (launcher/leave.c). */
import { type LaunchOrder, OrderWriter, text, u64 } from "./order.ts";

/** One thing that is to be gone; that it is gone already, or is not to be removed, is fine. */
export type Removal =
  | {
      readonly kind: "file";
      readonly path: string;
      /** A socket, if it is still this one; default: whatever is there. */
      readonly socket?: { readonly device: bigint; readonly inode: bigint } | undefined;
    }
  | { readonly kind: "emptyDirectory"; readonly path: string }
  /** With all that is in it; `hidden`: the name beside it that it gets first. */
  | { readonly kind: "directory"; readonly path: string; readonly hidden: string };

/** The order that removes them, in their order. */
export function planRemoval(removals: readonly Removal[]): LaunchOrder {
  const order = new OrderWriter();
  for (const one of removals) {
    const path = text(one.path);
    if (one.kind === "emptyDirectory") order.step("removeEmpty", one.path, path);
    else if (one.kind === "directory") order.step("removeAll", one.path, path, text(one.hidden));
    else {
      const { device, inode } = one.socket ?? { device: 0n, inode: 0n };
      order.step("unlink", one.path, path, u64(device), u64(inode));
    }
  }
  return order.step("finish", "the end").finish();
}
