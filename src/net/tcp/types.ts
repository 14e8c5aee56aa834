import type { Budget } from "../budget.ts";
import type { Path } from "../ip/path.ts";
import type { Output } from "../link/output.ts";
import type { AddressKey } from "../wire/address.ts";
import type { Connection } from "./connection.ts";

/** What connections share. */
export interface TcpContext {
  readonly output: Output;
  readonly budget: Budget;
  /** An acknowledgement is due when all that came together has been looked at. */
  acknowledgeSoon(connection: Connection): void;
  /** The connection is over, and its ports are free. */
  forget(connection: Connection): void;
}

/** Which connection it is. */
export interface TcpPlace {
  readonly path: Path;
  /** The address with which the guest has it. */
  readonly remote: AddressKey;
  readonly guestPort: number;
  readonly remotePort: number;
}

/** How a connection ended. */
export interface TcpEnd {
  readonly how: "closed" | "reset" | "unreachable" | "stopped";
  readonly error?: string | undefined;
  readonly sent: number;
  readonly received: number;
}
