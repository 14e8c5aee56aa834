import type { Machine, MachineProcess } from "smolvm";

/** What the browser sends: an answer, which has our `id`, or an event, which has a `method`. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Answer;
  readonly result?: Answer;
  readonly error?: { readonly message: string };
}

type Answer = Readonly<Record<string, unknown>>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(reason: Error): void;
}

/** As Debian, Alpine, Google and Chromium's own builds for servers call it. */
const NAMES = "chromium chromium-headless-shell chromium-browser google-chrome headless-shell";

/**
 * Starts Chromium with `--remote-debugging-pipe`, whose two ends are descriptors 3 and 4. They are the standard input and
 * output of a process in the machine here, so that no port is open, in the machine or on the host. What the browser logs
 * is this process's standard error. Its own sandbox does not start as root; the machine is the one.
 */
const LAUNCH = `for name in ${NAMES}; do
  if command -v $name >/dev/null; then
    exec $name --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --remote-debugging-pipe \
      3<&0 4>&1 </dev/null >&2
  fi
done
echo "the image has none of ${NAMES}" >&2; exit 127`;

/** Characters that are kept of what the browser logs: the last ones say why it has ended. */
const LOG_LENGTH = 2000;

/**
 * A browser, by the Chrome DevTools Protocol: JSON with a NUL behind each message.
 * https://chromedevtools.github.io/devtools-protocol/
 */
export class DevTools implements AsyncDisposable {
  readonly #process: MachineProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers = new Map<number, Waiting>();
  readonly #events = new Map<string, Waiting>();
  #asked = 0;
  #log = "";
  #gone: Error | undefined;

  private constructor(process: MachineProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    void this.#listen();
  }

  static async start(machine: Machine): Promise<DevTools> {
    return new DevTools(await machine.spawn(["/bin/sh", "-c", LAUNCH]));
  }

  /**
   * A new page, empty. Its events come.
   *
   * @returns the id of its session, which is how it is asked
   */
  async open({ width, height }: { width: number; height: number }): Promise<string> {
    const { targetId } = await this.ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.ask("Target.attachToTarget", { targetId, flatten: true });
    const page = String(sessionId);
    await this.ask("Page.enable", {}, page);
    const screen = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.ask("Emulation.setDeviceMetricsOverride", screen, page);
    return page;
  }

  /** @throws Error what the browser says is wrong, or that it has ended */
  async ask(method: string, params: Answer = {}, sessionId?: string): Promise<Answer> {
    const id = ++this.#asked;
    const answer = this.#wait(this.#answers, id);
    const words = JSON.stringify({ id, method, params, sessionId });
    // A browser that has ended reads no more, and `answer` says how it ended.
    this.#input.write(new TextEncoder().encode(`${words}\0`)).catch(() => {});
    return await answer;
  }

  /** The next event of this name. One can wait for it at a time. */
  event(method: string, sessionId: string): Promise<Answer> {
    return this.#wait(this.#events, `${sessionId} ${method}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #wait<Key>(waiting: Map<Key, Waiting>, key: Key): Promise<Answer> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    waiting.set(key, { resolve, reject });
    return promise;
  }

  async #listen(): Promise<void> {
    const results = await Promise.allSettled([this.#readMessages(), this.#readLog()]);
    const why = results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
    this.#gone = new Error(["the browser has ended", ...why, this.#log.trim()].join("\n").trim());
    for (const { reject } of [...this.#answers.values(), ...this.#events.values()]) reject(this.#gone);
  }

  async #readMessages(): Promise<void> {
    const decoder = new TextDecoder();
    // Pieces of a message: a picture comes in many.
    let pieces: string[] = [];
    for await (const chunk of this.#process.stdout) {
      const [first = "", ...more] = decoder.decode(chunk, { stream: true }).split("\0");
      pieces.push(first);
      for (const next of more) {
        this.#take(JSON.parse(pieces.join("")));
        pieces = [next];
      }
    }
  }

  async #readLog(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr)
      this.#log = (this.#log + decoder.decode(chunk, { stream: true })).slice(-LOG_LENGTH);
  }

  #take({ id, method, sessionId, params, result, error }: Message): void {
    if (id === undefined) {
      const key = `${sessionId} ${method}`;
      this.#events.get(key)?.resolve(params ?? {});
      this.#events.delete(key);
      return;
    }
    const waiting = this.#answers.get(id);
    this.#answers.delete(id);
    if (error === undefined) waiting?.resolve(result ?? {});
    else waiting?.reject(new Error(error.message));
  }
}
