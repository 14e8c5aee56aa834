/** Files into and out of a running machine. */
import {
  byWayOf,
  type DownloadRequest,
  download,
  type GuestSide,
  type UploadRequest,
  upload,
} from "../../copy/index.ts";
import type { Machine } from "./connect.ts";
import { Process } from "./process.ts";

export type { CopyProgress, DownloadRequest, FileTarget, UploadRequest } from "../../copy/index.ts";

/**
 * Copies from the host into a machine, in the view of its workload. Files, and directories that were not there, appear
 * when they are complete.
 *
 * @throws SmolError `copy.*`, `machine.lost`; the signal's reason
 */
export async function copyToMachine(
  machine: Machine,
  request: UploadRequest & {
    /** Make the directories above the path that are missing. A machine of an earlier smolvm makes none. */
    readonly parents?: boolean | undefined;
  },
): Promise<void> {
  const { path, parents } = request;
  await withGuest(machine, { direction: "in", path, parents }, (guest) => upload(guest, request));
}

/** The same from a machine to the host. @param follow a link that the path is */
export async function copyFromMachine(
  machine: Machine,
  request: DownloadRequest & { readonly follow: boolean },
): Promise<void> {
  const { path, follow } = request;
  await withGuest(machine, { direction: "out", path, follow }, (guest) => download(guest, request));
}

/** What the guest's side is asked for (docs/protocol.md, `copy`). */
interface CopyParams {
  readonly direction: "in" | "out";
  readonly path: string;
  readonly follow?: boolean | undefined;
  readonly parents?: boolean | undefined;
}

async function withGuest(
  machine: Machine,
  params: CopyParams,
  copy: (guest: GuestSide) => Promise<void>,
): Promise<void> {
  await byWayOf(new Process(machine.open({ method: "copy", params })), copy);
}
