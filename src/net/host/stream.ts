/** The host's side of a TCP connection: a socket, or something of ours that answers like one. */
export interface HostStream {
  /** @returns how many bytes were taken; less than all: `onDrain` says when there is room again */
  write(bytes: Uint8Array<ArrayBuffer>): number;
  /** Nothing more will be written; reading goes on. */
  end(): void;
  /** Breaks the connection off, as the other side sees it. */
  reset(): void;
  /** No `onData` until `resume`, but for what has been read already. */
  pause(): void;
  resume(): void;
}

/** Who gets what happens on it. */
export interface HostStreamUser {
  /** The bytes are the user's to keep, and to give back (`giveBack`) when it is done with them. */
  onData(bytes: Uint8Array): void;
  onEnd(): void;
  onDrain(): void;
  /** @param error the code of what broke the connection; undefined: both sides had ended */
  onClose(error: string | undefined): void;
}
