/** What all calls have in common. */

/**
 * Of every call that may take long.
 *
 * @example
 * const limits: CallOptions = { signal: AbortSignal.timeout(5000) };
 * await machine.refresh(limits);
 */
export interface CallOptions {
  /** The call rejects with the signal's reason, as fetch does; what it had begun is ended. */
  readonly signal?: AbortSignal | undefined;
  /** The call rejects with `OperationTimeoutError` after so many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

/**
 * What a long call is doing.
 *
 * @example
 * const tell = (event: Progress) => event.type === "pull" && console.error(`${event.receivedBytes} bytes`);
 * await images.pull("alpine:3.20", { onProgress: tell });
 */
export type Progress =
  | {
      readonly type: "pull" | "unpack";
      readonly image: string;
      readonly receivedBytes: number;
      readonly totalBytes?: number | undefined;
    }
  | { readonly type: "boot" }
  | { readonly type: "init" | "step"; readonly index: number; readonly count: number }
  | { readonly type: "transfer"; readonly bytes: number; readonly total?: number | undefined };

/**
 * Called as a long call goes on.
 *
 * @example
 * const onProgress: OnProgress = ({ type }) => console.error(type);
 * const machine = await Machine.create({ image: "alpine:3.20", onProgress });
 */
export type OnProgress = (event: Progress) => void;

/**
 * What can be standard input, or a file's content.
 *
 * @example
 * const input: Source = new Blob(["3\n1\n2\n"]).stream();
 * const { stdout } = await machine.exec(["sort"], { stdin: input });
 */
export type Source = string | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Variables. Values that are undefined are left out.
 *
 * @example
 * const env: Env = { HOME: "/root", DEBUG: undefined };
 * await machine.exec(["env"], { env });
 */
export type Env = Readonly<Record<string, string | undefined>>;

/**
 * A variable whose value is looked up on this host at each start and each command: it is in no record.
 *
 * @example
 * const token: SecretRef = { fromEnv: "API_TOKEN" };
 * const machine = await Machine.create({ secrets: { TOKEN: token } });
 */
export type SecretRef = { readonly fromEnv: string } | { readonly fromFile: string };
