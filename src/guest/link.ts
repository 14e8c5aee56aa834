import { type Connection, ProtocolError, type Stream } from "../protocol/index.ts";
import type { GuestHello } from "./codec.ts";
import { FieldWriter } from "./fields.ts";

/** A connection whose payloads are fields, and a piece of work on it. */
export type AgentConnection = Connection<GuestHello, Uint8Array, Uint8Array>;
export type AgentStream = Stream<Uint8Array, Uint8Array>;

/** The first byte of an `open`. */
export const Verb = {
  exec: 1,
  root: 2,
  steps: 3,
  drop: 4,
  connect: 5,
  listen: 6,
  take: 7,
  watch: 8,
  clock: 9,
  shutdown: 10,
  fuse: 11,
  replay: 12,
  rest: 13,
  entropy: 14,
} as const;

/** The start of a request. */
export const request = (verb: (typeof Verb)[keyof typeof Verb]): FieldWriter => new FieldWriter([verb]);

/**
 * What the agent answered, checked; a violation ends the connection. Nobody has to wait for it.
 *
 * @param answer undefined when the agent said nothing where it had to: the stream ended before
 * @param check throws ProtocolError for an answer that is none
 */
export function checked<T>(
  connection: AgentConnection,
  answer: Promise<Uint8Array | undefined>,
  check: (payload: Uint8Array) => T,
): Promise<T> {
  const value = answer.then((payload) => {
    try {
      if (payload === undefined) throw new ProtocolError("result without accept");
      return check(payload);
    } catch (error) {
      connection.abort(error as Error);
      throw error;
    }
  });
  value.catch(() => {});
  return value;
}
