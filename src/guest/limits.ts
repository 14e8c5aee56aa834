import { type ResourceLimit, StreamFailure } from "../protocol/index.ts";

/** Linux's numbers of the resources of setrlimit(2), the same on x86-64 and arm64. */
const resources: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/**
 * The field of a limit: u8 resource, u64 soft, u64 hard.
 *
 * @throws StreamFailure `exec.bad_request` for an unknown resource
 */
export function encodeLimit({ name, soft, hard }: ResourceLimit): Uint8Array {
  const resource = resources[name.toLowerCase()];
  if (resource === undefined)
    throw new StreamFailure({ code: "exec.bad_request", message: `unknown resource limit ${name}` });
  const bytes = new Uint8Array(17);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, resource);
  // -1, unlimited, is all ones in the kernel's format.
  view.setBigInt64(1, BigInt(soft));
  view.setBigInt64(9, BigInt(hard));
  return bytes;
}
