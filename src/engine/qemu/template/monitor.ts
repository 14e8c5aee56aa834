/** QEMU's monitor (QMP, docs/interop/qmp-spec.txt of QEMU), as far as saving and restoring a VM needs it. */
import { sendWithDescriptors } from "../../../../ffi/descriptors.ts";
import { messageOf, SmolError } from "../../../errors.ts";

/** What a monitor says is lines of JSON, of a few kilobytes. */
const MAX_TEXT = 1024 * 1024;

interface Message {
  readonly QMP?: { readonly version?: unknown } | undefined;
  readonly return?: unknown;
  readonly error?: { readonly desc?: unknown } | undefined;
  readonly event?: unknown;
  readonly data?: { readonly status?: unknown } | undefined;
}

interface Waiter {
  readonly wanted: (message: Message) => boolean;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: SmolError) => void;
}

/** Milliseconds: how long QEMU may take to an answer on a host with ten other guests. */
const ANSWER_MS = 60_000;

/**
 * The monitor of one VM, over a connection with it. QEMU runs a guest: what it says is checked, and whatever is wrong
 * with it ends the work with `engine.template_failed`.
 */
export class Monitor {
  /** Version and package of the VMM, as it tells them. */
  readonly vmm: Promise<string>;
  readonly #fd: number;
  readonly #socket: Promise<{ end(): unknown } | undefined>;
  #text = "";
  #waiting: Waiter[] = [];
  #over: SmolError | undefined;

  /** @param fd this process's end; the monitor closes it */
  constructor(fd: number) {
    this.#fd = fd;
    this.vmm = this.#next(({ QMP }) => QMP !== undefined).then(({ QMP }) => JSON.stringify(QMP?.version));
    this.vmm.catch(() => {});
    const end = () => this.#end("QEMU has closed its monitor");
    const socket = {
      data: (_: unknown, bytes: Uint8Array) => this.#take(Buffer.from(bytes).toString("utf8")),
      ...{ end, close: end, error: end },
    };
    // The types know hosts and paths only.
    const options = { fd, socket } as unknown as Parameters<typeof Bun.connect>[0];
    this.#socket = Bun.connect(options).catch(() => void end());
  }

  /** Saves everything but the memory to a file; resolves when the VM has stopped and all is there. */
  save(file: number): Promise<void> {
    return this.#migrate("migrate", file);
  }

  /** Takes everything but the memory from a file, and lets the VM run. */
  restore(file: number): Promise<void> {
    return this.#migrate("migrate-incoming", file);
  }

  /** Ends what is under way; safe to call more than once. */
  close(): void {
    this.#end("the monitor is not needed any more");
    void this.#socket.then((socket) => socket?.end());
  }

  async #migrate(command: string, file: number): Promise<void> {
    const timer = setTimeout(() => this.#end("QEMU does not answer"), ANSWER_MS);
    try {
      await this.vmm;
      await this.#ask("qmp_capabilities");
      // `x-ignore-shared`: memory that is in a file stays there.
      const capabilities = ["events", "x-ignore-shared"].map((capability) => ({ capability, state: true }));
      await this.#ask("migrate-set-capabilities", { capabilities });
      await this.#ask("getfd", { fdname: "devices" }, file);
      const over = this.#next(
        ({ event, data }) => event === "MIGRATION" && ["completed", "failed"].includes(String(data?.status)),
      );
      over.catch(() => {});
      await this.#ask(command, { uri: "fd:devices" });
      const { data } = await over;
      if (data?.status !== "completed") throw failure(`QEMU could not ${command}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(execute: string, words: Record<string, unknown> = {}, descriptor?: number): Promise<void> {
    const answer = this.#next((message) => message.return !== undefined || message.error !== undefined);
    const text = Buffer.from(`${JSON.stringify({ execute, arguments: words })}\n`);
    try {
      sendWithDescriptors(this.#fd, text, descriptor === undefined ? [] : [descriptor]);
    } catch (error) {
      this.#end(messageOf(error));
    }
    const { error } = await answer;
    if (error !== undefined) throw failure(`QEMU refuses ${execute}: ${String(error.desc).slice(0, 500)}`);
  }

  #next(wanted: Waiter["wanted"]): Promise<Message> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => this.#waiting.push({ wanted, resolve, reject }));
  }

  #take(text: string): void {
    if (this.#over !== undefined) return;
    this.#text += text;
    if (this.#text.length > MAX_TEXT) this.#end("QEMU's monitor says too much");
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) this.#hear(line);
  }

  #hear(line: string): void {
    const message = parsed(line);
    if (message === undefined) {
      this.#end("QEMU's monitor says what is no message");
      return;
    }
    const waiter = this.#waiting.find(({ wanted }) => wanted(message));
    this.#waiting = this.#waiting.filter((one) => one !== waiter);
    waiter?.resolve(message);
  }

  #end(reason: string): void {
    this.#over ??= failure(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#over);
  }
}

function parsed(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const failure = (message: string) => new SmolError("engine.template_failed", message);
