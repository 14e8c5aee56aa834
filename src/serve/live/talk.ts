/** What a WebSocket is about, from the upgrade to its close: the server passes on what happens to it. */
import type { ServerWebSocket } from "bun";

export interface Talk {
  open(socket: Socket): void | Promise<void>;
  message(socket: Socket, message: string | Uint8Array): void;
  /** The client has taken some of what waited for it. */
  drain(): void;
  /** The client has gone, however. */
  end(): void;
}

export type Socket = ServerWebSocket<Talk>;

/** Close codes of RFC 6455, 7.4.1. */
export const CLOSE = { normal: 1000, ending: 1001, tooMuch: 1009, failed: 1011, wrong: 1008 } as const;
