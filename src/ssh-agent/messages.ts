/**
 * Messages between a client and an SSH agent (draft-ietf-sshm-ssh-agent, section 3; OpenSSH's PROTOCOL.agent for the
 * extension). Each function takes a whole message, its type byte included, and reads it to its end.
 */
import { BadMessage, encodeWire, WireReader } from "./wire.ts";

/** Numbers of messages, section 6.1. */
export const MessageType = {
  failure: 5,
  success: 6,
  requestIdentities: 11,
  identitiesAnswer: 12,
  signRequest: 13,
  signResponse: 14,
  extension: 27,
  extensionFailure: 28,
} as const;

/** What those that change an agent are called in logs. */
export const CHANGES: ReadonlyMap<number, string> = new Map([
  [17, "add a key"],
  [18, "remove a key"],
  [19, "remove all keys"],
  [20, "add keys of a smartcard"],
  [21, "remove keys of a smartcard"],
  [22, "lock the agent"],
  [23, "unlock the agent"],
  [25, "add a key"],
  [26, "add keys of a smartcard"],
]);

export const SESSION_BIND = "session-bind@openssh.com";

/** More keys than OpenSSH's agent ever lists (MAX_AGENT_IDENTITIES). */
const MAX_IDENTITIES = 2048;

export const FAILURE: Uint8Array = encodeWire([{ byte: MessageType.failure }]);
export const REQUEST_IDENTITIES: Uint8Array = encodeWire([{ byte: MessageType.requestIdentities }]);

export const typeOf = (message: Uint8Array): number => message[0] ?? -1;

export interface Identity {
  readonly key: Uint8Array;
  /** As it is on the wire: what people called the key. */
  readonly comment: Uint8Array;
}

/** @throws BadMessage */
export function parseIdentities(message: Uint8Array): Identity[] {
  const reader = open(message, MessageType.identitiesAnswer);
  const count = reader.uint32();
  if (count > MAX_IDENTITIES) throw new BadMessage(`${count} keys`);
  const identities: Identity[] = [];
  for (let i = 0; i < count; i++) identities.push({ key: reader.string(), comment: reader.string() });
  reader.end();
  return identities;
}

export function encodeIdentities(identities: readonly Identity[]): Uint8Array {
  return encodeWire([
    { byte: MessageType.identitiesAnswer },
    { uint32: identities.length },
    ...identities.flatMap(({ key, comment }) => [key, comment]),
  ]);
}

export interface SignRequest {
  readonly key: Uint8Array;
  readonly data: Uint8Array;
}

/** @throws BadMessage */
export function parseSignRequest(message: Uint8Array): SignRequest {
  const reader = open(message, MessageType.signRequest);
  const request = { key: reader.string(), data: reader.string() };
  reader.uint32(); // flags: which hash a signature of RSA has
  reader.end();
  return request;
}

/** @throws BadMessage */
export function checkSignResponse(message: Uint8Array): void {
  const reader = open(message, MessageType.signResponse);
  reader.string();
  reader.end();
}

/** The name of an extension; the rest is its own. @throws BadMessage */
export function extensionName(message: Uint8Array): string {
  return open(message, MessageType.extension).text();
}

export interface SessionBind {
  readonly hostKey: Uint8Array;
  readonly session: Uint8Array;
}

/** A client says which host its connection is used for; the agent checks the host's signature. @throws BadMessage */
export function parseSessionBind(message: Uint8Array): SessionBind {
  const reader = open(message, MessageType.extension);
  reader.string(); // its name
  const bind = { hostKey: reader.string(), session: reader.string() };
  reader.string(); // a signature of the host
  reader.boolean(); // whether the agent is lent on to that host
  reader.end();
  return bind;
}

function open(message: Uint8Array, type: number): WireReader {
  const reader = new WireReader(message);
  if (reader.byte() !== type) throw new BadMessage(`message ${typeOf(message)} where ${type} is due`);
  return reader;
}
