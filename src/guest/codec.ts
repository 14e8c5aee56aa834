import { type Codec, type Failure, ProtocolError } from "../protocol/index.ts";
import { FieldReader, FieldWriter } from "./fields.ts";

/** The protocol that this side speaks, and the least that the agent must speak. Both use the lower one. */
export const PROTOCOL = 3;

/** What the guest's agent says first. */
export interface GuestHello {
  /** The highest protocol that the agent speaks. */
  readonly protocol: number;
  /** Milliseconds from the kernel's start to that of the first process. */
  readonly initMs: number;
  /** Milliseconds from the kernel's start to this hello. */
  readonly helloMs: number;
  /** Memory that the kernel has for programs. */
  readonly memoryBytes: number;
  /** The kernel's release, as uname(2) has it. */
  readonly kernel: string;
}

const MAX_PROTOCOL = 0xffff;
/** Two years: an agent that is run beside other programs, for tests, has the uptime of its host. */
const MAX_BOOT_MS = 2 ** 36;
/** utsname.release has 65 bytes. */
const MAX_RELEASE_BYTES = 64;

const MAX_CODE_BYTES = 100;
const MAX_MESSAGE_BYTES = 4096;
const MAX_ERRNO = 4095;
const MAX_STEP = 0xffff;

/** Payloads between machine process and agent: fields. Requests and messages are encoded by whoever knows the verb. */
export const fieldsCodec: Codec<GuestHello, Uint8Array, Uint8Array> = {
  encodeHello: () => new FieldWriter().int(1, PROTOCOL).finish(),
  decodeHello(payload) {
    const fields = new FieldReader(payload, "hello");
    const protocol = fields.int(1, MAX_PROTOCOL);
    if (protocol < PROTOCOL)
      throw new ProtocolError(`the agent speaks protocol ${protocol}, at least ${PROTOCOL} is needed`);
    return {
      protocol,
      initMs: fields.int(2, MAX_BOOT_MS),
      helloMs: fields.int(3, MAX_BOOT_MS),
      memoryBytes: fields.int(4),
      kernel: printable(fields.text(5, MAX_RELEASE_BYTES)),
    };
  },
  encodeRequest: (request) => request,
  // The payload is the decoder's and lives only for the moment.
  decodeRequest: (payload) => payload.slice(),
  encodeMessage: (message) => message,
  decodeMessage: (payload) => payload.slice(),
  encodeFailure: (failure) =>
    new FieldWriter()
      .text(1, failure.code)
      .text(2, failure.message)
      .int(3, failure.errno)
      .int(4, failure.step)
      .finish(),
  decodeFailure: decodeFailure,
};

function decodeFailure(payload: Uint8Array): Failure {
  const fields = new FieldReader(payload, "failure");
  const code = fields.text(1, MAX_CODE_BYTES);
  if (!/^[a-z]+(\.[a-z_]+)?$/.test(code)) throw new ProtocolError("malformed failure: its code is none");
  const errno = fields.optionalInt(3, MAX_ERRNO);
  const step = fields.optionalInt(4, MAX_STEP);
  return {
    code,
    message: printable(fields.text(2, MAX_MESSAGE_BYTES)),
    errno,
    step,
  };
}

/** A guest's text for a person: nothing in it can drive a terminal or pretend to be another line. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd");
}
