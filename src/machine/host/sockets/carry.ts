import type { Socket } from "node:net";
import type { GuestSocket } from "../../../guest/index.ts";

/**
 * Carries bytes between a socket of the guest and one of the host until both directions have ended, each by itself, or
 * either side is lost. Whoever does not read holds up the other side, and nobody else: at most a window of the guest's
 * and what the kernel keeps for the host's wait here. Never rejects.
 */
export async function carry(guest: GuestSocket, host: Socket): Promise<void> {
  const lost = () => guest.cancel();
  // Before its end, when the other side was reset; after it, for nothing.
  host.once("close", (hadError: boolean) => {
    if (hadError || !host.readableEnded) lost();
  });
  const upwards = toHost(guest, host);
  const downwards = toGuest(host, guest);
  try {
    await guest.ended;
    await Promise.all([upwards, downwards]);
  } catch {
    // The guest, or its side of the connection, is gone.
  } finally {
    host.destroy();
  }
}

async function toHost(guest: GuestSocket, host: Socket): Promise<void> {
  for await (const chunk of guest.read()) {
    if (host.destroyed) return;
    if (!host.write(chunk)) await drained(host);
  }
  host.end();
}

function drained(host: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      host.off("drain", done).off("close", done);
      resolve();
    };
    host.on("drain", done).on("close", done);
  });
}

function toGuest(host: Socket, guest: GuestSocket): Promise<void> {
  return new Promise((resolve) => {
    let written = Promise.resolve();
    host.on("data", (chunk: Uint8Array) => {
      host.pause();
      written = written.then(() => guest.write(chunk)).then(() => void host.resume());
    });
    host.once("end", () => void written.then(() => guest.end()).then(resolve));
    host.once("close", () => resolve());
  });
}
