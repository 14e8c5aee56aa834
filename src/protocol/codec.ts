import type { Failure } from "./messages.ts";

/**
 * What the payloads of a connection mean. The decoders see bytes from the other side, valid only during the call, and
 * throw ProtocolError for what makes no sense: that ends the connection.
 */
export interface Codec<Hello, Request, Message> {
  /** This side's own hello. */
  encodeHello(): Uint8Array;
  decodeHello(payload: Uint8Array): Hello;
  /** What opens a stream. */
  encodeRequest(request: Request): Uint8Array;
  decodeRequest(payload: Uint8Array): Request;
  /** What is said on a stream: accept, control, event, result. */
  encodeMessage(message: Message): Uint8Array;
  /** An empty payload is undefined where that is a message. */
  decodeMessage(payload: Uint8Array): Message;
  encodeFailure(failure: Failure): Uint8Array;
  decodeFailure(payload: Uint8Array): Failure;
}
