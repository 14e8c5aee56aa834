/** The payloads between command line and machine process: JSON in UTF-8 (docs/protocol.md). */
import { SmolError } from "../errors.ts";
import { oneLine } from "../values/index.ts";
import type { Codec } from "./codec.ts";
import { ProtocolError } from "./frame.ts";
import { checkFailure, checkHello, type Hello, OLDEST_PROTOCOL, PROTOCOL_VERSION } from "./messages.ts";

/** What opens a stream: the name of the work, and unchecked data that describes it. */
export interface JsonRequest {
  readonly method: string;
  readonly params?: unknown;
}

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** Decodes a JSON payload; the result is unchecked data, undefined for an empty one. */
export function decodeJson(payload: Uint8Array): unknown {
  try {
    return payload.length === 0 ? undefined : JSON.parse(decoder.decode(payload));
  } catch {
    throw new ProtocolError("payload is not JSON in UTF-8");
  }
}

/**
 * Encodes a JSON payload; undefined becomes an empty one. Lone surrogates, which stand for bytes that are not UTF-8
 * (surrogate-escape.ts), are written as JSON's escapes and survive.
 */
export function encodeJson(value: unknown): Uint8Array {
  return value === undefined ? new Uint8Array(0) : encoder.encode(JSON.stringify(value));
}

/** @param version of the program that speaks */
export function jsonCodec(version: string): Codec<Hello, JsonRequest, unknown> {
  return {
    encodeHello: () =>
      encodeJson({
        protocol: PROTOCOL_VERSION,
        oldest: OLDEST_PROTOCOL,
        version,
      } satisfies Hello),
    decodeHello: (payload) => checkSpeaksOurs(checkHello(decodeJson(payload))),
    encodeRequest: encodeJson,
    decodeRequest: (payload) => checkRequest(decodeJson(payload)),
    encodeMessage: encodeJson,
    decodeMessage: decodeJson,
    encodeFailure: ({ code, message, hint }) =>
      encodeJson({
        code,
        message: message.slice(0, MAX_MESSAGE_LENGTH),
        hint,
      }),
    decodeFailure: (payload) => checkFailure(decodeJson(payload)),
  };
}

/** Longest failure message: a few lines of a guest's console fit. */
const MAX_MESSAGE_LENGTH = 4000;

/** @throws SmolError `machine.other_version` */
function checkSpeaksOurs(hello: Hello): Hello {
  const { protocol, oldest = protocol, version } = hello;
  if (protocol >= OLDEST_PROTOCOL && oldest <= PROTOCOL_VERSION) return hello;
  const age = protocol > PROTOCOL_VERSION ? "a later" : "an earlier";
  const message = `${age} smolvm (${oneLine(version)}) is at the other end, and the two do not understand each other`;
  throw new SmolError("machine.other_version", message, {
    hint: "use that version for this machine, or stop it with that one and start it with this one",
  });
}

function checkRequest(value: unknown): JsonRequest {
  const request = value as { method?: unknown; params?: unknown } | null | undefined;
  if (typeof request?.method !== "string") throw new ProtocolError("open without a method");
  return { method: request.method, params: request.params };
}
