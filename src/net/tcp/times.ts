/** How long one connection waits for what, and how often it tries. */
export const Times = {
  handshakeMs: 250,
  /** With a wait that doubles: 16 s. A guest that boots is up by then. */
  handshakeTries: 6,
  /** How long a connection that we closed first stays, for a FIN that is repeated (TIME-WAIT; the wire loses nothing). */
  lingerMs: 1000,
  /** tcp(7): when it is found out whether a silent guest is still there, and how often it is asked. */
  keepaliveMs: 2 * 60 * 60 * 1000,
  keepaliveAgainMs: 75_000,
  keepaliveTries: 9,
  /** How long the guest may take to fetch what came before a reset. */
  lastBytesMs: 10_000,
} as const;
