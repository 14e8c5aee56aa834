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

/** An event of that stream: what a request met that nobody foresaw. Its guest got EIO. */
export interface VolumeTrouble {
  readonly error: string;
}
