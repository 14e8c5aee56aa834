import { type AddressBytes, formatAddress, parseAddress } from "../wire/address.ts";
import { lanHostOf } from "./address.ts";

/**
 * The first frame of a connection between two members: who sends what follows. Programs of different versions meet here:
 * another number means other frames.
 */
const VERSION = "smolvm network 1";

export function writeGreeting(network: string, own: AddressBytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from([VERSION, network, formatAddress(own)].join("\n")));
}

/** @returns the sender's address; undefined: it is of another network, or of another version */
export function readGreeting(frame: Uint8Array, network: string): AddressBytes | undefined {
  const [version, name, address = "", ...rest] = Buffer.from(frame).toString().split("\n");
  if (version !== VERSION || name !== network || rest.length > 0) return undefined;
  try {
    const bytes = parseAddress(address);
    return lanHostOf(bytes) > 0 ? bytes : undefined;
  } catch {
    return undefined;
  }
}
