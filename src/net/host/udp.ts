import { errnoOf } from "../../errors.ts";
import type { Endpoint } from "../types.ts";

export interface DatagramUser {
  onDatagram(bytes: Uint8Array): void;
  /** The other side has no such port, or cannot be reached. */
  onError(code: string): void;
}

export interface HostDatagrams {
  /** What the kernel has no room for is lost. */
  send(bytes: Uint8Array): void;
  close(): void;
}

/**
 * A UDP socket for one far end: the kernel lets nobody else's packets in.
 *
 * @throws an error with the code of bind(2) or connect(2)
 */
export async function connectUdp({ address, port }: Endpoint, user: DatagramUser): Promise<HostDatagrams> {
  const socket = await Bun.udpSocket({
    hostname: address.includes(":") ? "::" : "0.0.0.0",
    connect: { hostname: address, port },
    socket: {
      data: (_, bytes) => user.onDatagram(bytes),
      error: (...args: unknown[]) => user.onError(codeOf(args)),
    },
  });
  return {
    send(bytes) {
      try {
        socket.send(bytes);
      } catch (error) {
        user.onError(errnoOf(error) ?? "EIO");
      }
    },
    close: () => socket.close(),
  };
}

/** Bun hands over the error alone. */
function codeOf(args: readonly unknown[]): string {
  const error = args.find((arg) => arg instanceof Error);
  return (error && errnoOf(error)) ?? "EIO";
}
