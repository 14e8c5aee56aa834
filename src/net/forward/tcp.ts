import type { HostStream, HostStreamUser } from "../host/stream.ts";
import { listenTcp } from "../host/tcp.ts";
import type { TcpTable } from "../tcp/table.ts";
import type { AddressBytes } from "../wire/address.ts";

/** Between whom connections through a published port are, as the guest sees it. */
export interface Ends {
  readonly gateway: AddressBytes;
  readonly guest: AddressBytes;
}

/**
 * Takes connections to a port of the host's into the guest. The kernel has accepted one before we know of it; it is
 * reset when the guest refuses.
 *
 * @throws the error of bind(2)
 */
export function forwardTcp(
  table: TcpTable,
  ends: Ends,
  host: { readonly address: string; readonly port: number },
  guestPort: number,
): { readonly port: number; close(): void } {
  return listenTcp(host.address, host.port, (stream: HostStream): HostStreamUser | undefined => {
    const connection = table.connect(ends.gateway, ends.guest, guestPort, () => {});
    connection?.dial(stream);
    return connection;
  });
}
