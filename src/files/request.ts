/** What a machine's process asks of the one that serves files: `open` of a stream with the method `volume`. */
export interface VolumeRequest {
  /** Of the host: absolute, without links. */
  readonly path: string;
  /** Whether it is a regular file; else it is a directory. */
  readonly isFile: boolean;
  readonly readOnly: boolean;
  /** The directory of a workspace (src/workspace/): the guest's changes are kept there, and none reaches the folder. */
  readonly workspace?: string | undefined;
}

/**
 * An event of that stream: something that its user should know; or what the host has changed, once for each control
 * message (its text does not matter) that asks for the next changes.
 */
export interface VolumeEvent {
  readonly trouble?: string | undefined;
  readonly changes?: readonly HostChange[] | undefined;
}

/**
 * What the host has changed of one name, for those who watch it in the guest: what the agent is to do there, in this
 * order (docs/protocol.md, "replay").
 */
export interface HostChange {
  /** From the volume's root, a character for each byte; empty: the volume is one file. */
  readonly path: string;
  /** Type and permissions of what is there now; 0: nothing. */
  readonly mode: number;
  /** What had that name does not have it any more. */
  readonly gone: "file" | "directory" | false;
  /** There is something new. */
  readonly made: boolean;
  /** The bytes of a file have changed. */
  readonly modified: boolean;
  /** Whoever wrote to it has closed it. */
  readonly written: boolean;
}
