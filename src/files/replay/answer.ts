/**
 * What the guest's agent asks when it repeats, for those who watch, what the host has changed: it removes what has gone
 * and makes what has come, and its kernel tells. Nothing of that reaches the host, where it has happened already.
 */
import { Errno, refuse } from "../errno.ts";
import { checkName } from "../names.ts";
import type { SessionState } from "../session.ts";
import { Opcode, OUT_HEADER } from "../wire/opcodes.ts";
import { attributesReply, entryReply, Reply, type Validity } from "../wire/reply.ts";
import type { FuseRequest } from "../wire/request.ts";
import type { HostChanges } from "./host-changes.ts";

/** By this group the agent's requests are known (agent/replay.c). Who else has it changes nothing on the host. */
export const REPLAY_GID = 0xfffeffff;

/** What has gone may be believed to be there for no longer than one call takes. */
const AT_ONCE: Validity = { entryNs: 0, attributeNs: 0 };

/** A handle that no file has: nothing is opened, so nobody on the host hears that it was. */
const NO_HANDLE = 0n;

/** Bytes of a request before the name. */
const BEFORE_NAME: Readonly<Record<number, number>> = {
  [Opcode.lookup]: 0,
  [Opcode.unlink]: 0,
  [Opcode.rmdir]: 0,
  [Opcode.symlink]: 0,
  [Opcode.mkdir]: 8,
  [Opcode.mknod]: 16,
};

/** @throws FileError what the agent is told */
export function answerReplay(
  request: FuseRequest,
  { filesystem, validity }: SessionState,
  changes: HostChanges,
): Uint8Array {
  const { opcode, node, unique } = request;
  if (opcode === Opcode.setattr || opcode === Opcode.getattr)
    return attributesReply(unique, filesystem.getAttributes(node), validity);
  if (opcode === Opcode.open) {
    const reply = new Reply(unique, 16);
    reply.view.setBigUint64(OUT_HEADER, NO_HANDLE, true);
    return reply.bytes;
  }
  request.skip(BEFORE_NAME[opcode] ?? refuse(Errno.EPERM));
  const name = checkName(request.text());
  const told = changes.told(node, name);
  // What has to go is still there, and what has to come is not: until then.
  if (opcode === Opcode.lookup && told?.gone !== undefined)
    return entryReply(unique, changes.goneEntry(told.gone), AT_ONCE).bytes;
  if (opcode === Opcode.lookup && told?.made) refuse(Errno.ENOENT);
  if (opcode === Opcode.lookup) return entryReply(unique, filesystem.lookup(node, name), validity).bytes;
  if (opcode === Opcode.unlink || opcode === Opcode.rmdir) {
    if (told?.gone === undefined) refuse(Errno.EPERM);
    told.gone = undefined;
    return new Reply(unique, 0).bytes;
  }
  if (told?.made !== true) refuse(Errno.EPERM);
  told.made = false;
  return entryReply(unique, filesystem.lookup(node, name), validity).bytes;
}
