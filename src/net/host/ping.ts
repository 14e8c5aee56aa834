import { openPingSocket } from "../../../ffi/ping.ts";
import { parseAddress } from "../wire/address.ts";

export interface HostPing {
  /** @param message an ICMP echo request, header and data; its identifier is the kernel's to choose */
  send(message: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/**
 * A socket for echoes to one address.
 *
 * @param onReply gets a reply, header and data
 * @throws an error with a code; `EACCES`, `EPERM`: this host lets nobody ping without privileges
 */
export async function openPing(address: string, onReply: (message: Uint8Array) => void): Promise<HostPing> {
  const fd = openPingSocket(parseAddress(address));
  // To Bun it is a stream; each of its reads and writes is one message of ours.
  const options = {
    fd,
    socket: { data: (_: unknown, bytes: Uint8Array) => onReply(bytes), error() {}, close() {}, drain() {} },
  } as unknown as Parameters<typeof Bun.connect>[0];
  const socket = await Bun.connect(options);
  return {
    send: (message) => void socket.write(message),
    close: () => socket.terminate(),
  };
}
