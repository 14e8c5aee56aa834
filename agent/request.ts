/** Requests to the helper (agent/server.c): binary, because C reads them. All numbers are big endian. */
import {
  type ClockRequest,
  type ExecControl,
  type ExecRequest,
  StreamFailure,
} from "../src/protocol/index.ts";

/** Fixed part of an exec request, and bytes of each limit in it; see parse_request in agent/exec.c. */
const FIXED_BYTES = 18;
const LIMIT_BYTES = 17;

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

/** @throws StreamFailure for an unknown resource limit. */
export function encodeExecRequest(request: ExecRequest): Uint8Array {
  const limits = request.rlimits ?? [];
  const texts = Buffer.from(
    [request.cwd, request.user, ...request.argv, ...request.env].map((text) => `${text}\0`).join(""),
  );
  const bytes = Buffer.alloc(FIXED_BYTES + limits.length * LIMIT_BYTES + texts.length);
  bytes.write("E", "latin1");
  bytes.writeUInt8((request.stdin ? 1 : 0) | (request.tty ? 2 : 0), 1);
  bytes.writeUInt16BE(request.tty?.columns ?? 0, 2);
  bytes.writeUInt16BE(request.tty?.rows ?? 0, 4);
  bytes.writeUInt32BE(request.argv.length, 6);
  bytes.writeUInt32BE(request.env.length, 10);
  bytes.writeUInt32BE(limits.length, 14);
  let offset = FIXED_BYTES;
  for (const { name, soft, hard } of limits) {
    const resource = resources[name.toLowerCase()];
    if (resource === undefined) {
      throw new StreamFailure({ code: "exec.bad_request", message: `unknown resource limit ${name}` });
    }
    bytes.writeUInt8(resource, offset);
    // -1, unlimited, is all ones in the kernel's format.
    bytes.writeBigInt64BE(BigInt(soft), offset + 1);
    bytes.writeBigInt64BE(BigInt(hard), offset + 9);
    offset += LIMIT_BYTES;
  }
  bytes.set(texts, offset);
  return bytes;
}

export function encodeClockRequest(request: ClockRequest): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes.write("C", "latin1");
  bytes.writeBigUInt64BE(BigInt(request.unixNanoseconds), 1);
  return bytes;
}

export const encodeShutdownRequest = (): Uint8Array => Buffer.from("Q");

export function encodeControl(control: ExecControl): Uint8Array {
  if (control.type === "signal") return Uint8Array.of(0x53, control.signal);
  const bytes = Buffer.from("R....");
  bytes.writeUInt16BE(control.columns, 1);
  bytes.writeUInt16BE(control.rows, 3);
  return bytes;
}
