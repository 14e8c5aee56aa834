import type { Socket } from "node:net";
import type { GuestSocket } from "../../../guest/index.ts";
import type { KeyUse, Pipe } from "../../../ssh-agent/index.ts";
import { endsWithin } from "../../../within.ts";

/** How long the guest may take to read what was said last. */
const LAST_WORDS_MS = 5000;

export function guestPipe(socket: GuestSocket): Pipe {
  return {
    read: () => socket.read(),
    write: (bytes) => socket.write(bytes),
    close: () => {
      socket.end();
      void endsWithin(socket.ended, LAST_WORDS_MS).then((ended) => ended || socket.cancel());
    },
  };
}

export function hostPipe(socket: Socket): Pipe {
  return {
    async *read() {
      for await (const chunk of socket) yield chunk as Uint8Array;
    },
    write: (bytes) =>
      new Promise((resolve) => {
        if (socket.destroyed) resolve();
        else socket.write(bytes, () => resolve());
      }),
    close: () => void socket.destroy(),
  };
}

/** One line of a log. */
export function describeUse({ what, fingerprint, comment, purpose, host }: KeyUse): string {
  if (fingerprint === undefined) return `refused: ${purpose}`;
  const key = `${fingerprint}${comment === undefined ? "" : ` (${comment})`}`;
  const where = host === undefined ? "" : `, at the host ${host}`;
  const verb = {
    signed: "signed with",
    failed: "not signed by the agent with",
    refused: "refused to sign with",
  };
  return `${verb[what]} ${key}: ${purpose}${where}`;
}
