import { Errno, refuse } from "../errno.ts";
import type { Changes } from "../filesystem.ts";
import { SetFlag } from "./opcodes.ts";
import type { FuseRequest } from "./request.ts";

/** Of a mode, all but the type. */
export const PERMISSIONS = 0o7777;

/** `struct fuse_setattr_in`. */
export function readChanges(request: FuseRequest): { changes: Changes; handle: number | undefined } {
  const valid = request.u32();
  request.skip(4);
  const handle = request.handle();
  const wantsSize = (valid & SetFlag.size) !== 0;
  const size = wantsSize ? request.number() : Number(request.u64());
  request.skip(8);
  const seconds = [request.u64(), request.u64()].map((value) => BigInt.asIntN(64, value));
  request.skip(8);
  const fractions = [request.u32(), request.u32()];
  request.skip(4);
  const mode = request.u32() & PERMISSIONS;
  request.skip(4);
  const uid = request.u32();
  const gid = request.u32();
  const time = (i: 0 | 1, flag: number, nowFlag: number): bigint | "now" | undefined => {
    if ((valid & nowFlag) !== 0) return "now";
    if ((valid & flag) === 0) return undefined;
    if ((fractions[i] ?? 0) >= 1e9) refuse(Errno.EINVAL);
    return (seconds[i] ?? 0n) * 1_000_000_000n + BigInt(fractions[i] ?? 0);
  };
  return {
    changes: {
      mode: valid & SetFlag.mode ? mode : undefined,
      uid: valid & SetFlag.uid ? uid : undefined,
      gid: valid & SetFlag.gid ? gid : undefined,
      size: wantsSize ? size : undefined,
      accessedAt: time(0, SetFlag.accessTime, SetFlag.accessNow),
      modifiedAt: time(1, SetFlag.modifyTime, SetFlag.modifyNow),
      killSetId: (valid & SetFlag.killSetId) !== 0,
    },
    handle: valid & SetFlag.handle ? handle : undefined,
  };
}
