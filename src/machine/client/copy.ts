/** Files into and out of a running machine. */
import {
  type DownloadRequest,
  download,
  type GuestSide,
  type UploadRequest,
  upload,
} from "../../copy/index.ts";
import { SmolError } from "../../errors.ts";
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

async function withGuest(
  machine: Machine,
  params: {
    readonly direction: "in" | "out";
    readonly path: string;
    readonly follow?: boolean | undefined;
    readonly parents?: boolean | undefined;
  },
  copy: (guest: GuestSide) => Promise<void>,
): Promise<void> {
  const process = new Process(machine.open({ method: "copy", params }));
  const guest: GuestSide = {
    output: process.stdout,
    write: (bytes) => process.write(bytes),
    endInput: () => process.end(),
    // Its exit code says no more than its last record.
    ended: process.result.then((result) => {
      if ("signal" in result) throw killed(result.signal);
    }),
  };
  guest.ended.catch(() => {});
  // Nothing of ours writes there; whatever does is not to be held up by it.
  void drain(process.stderr);
  let over = false;
  const end = () => {
    over = true;
  };
  process.result.then(end, end);
  try {
    await copy(guest);
  } finally {
    if (!over) process.kill();
  }
}

const killed = (signal: number) =>
  new SmolError("copy.killed", `the copy was killed in the machine by signal ${signal}`, {
    hint: "the machine may lack memory: `smolvm machine stats` shows how much there is",
  });

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of chunks) {
    // Dropped.
  }
}
