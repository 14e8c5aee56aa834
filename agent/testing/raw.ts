import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameType,
  type SocketTransport,
} from "../../src/protocol/index.ts";

/** A host without manners: it sends any bytes, and sees the agent's frames as they come. */
export class RawHost {
  readonly frames: Frame[] = [];
  /** Resolves when the agent has closed the connection. */
  readonly closed: Promise<void>;
  #isClosed = false;
  #onChange: () => void = () => {};
  readonly #transport: SocketTransport;

  constructor(transport: SocketTransport) {
    this.#transport = transport;
    const decoder = new FrameDecoder();
    transport.onData = (bytes) => {
      decoder.push(bytes, (frame) => this.frames.push({ ...frame, payload: frame.payload.slice() }));
      this.#onChange();
    };
    this.closed = new Promise((resolve) => {
      transport.onClose = () => {
        this.#isClosed = true;
        resolve();
        this.#onChange();
      };
    });
    transport.start();
  }

  send(bytes: Uint8Array): void {
    this.#transport.write(new Uint8Array(bytes));
  }

  frame(type: FrameType, stream: number, payload: Uint8Array = new Uint8Array(0), channel = 0): void {
    this.send(encodeFrame(type, stream, payload, channel));
  }

  /** Resolves once `isTrue`, or when the agent has closed the connection; looks again at each arrival. */
  async until(isTrue: () => boolean): Promise<"true" | "closed"> {
    while (!isTrue()) {
      if (this.#isClosed) return "closed";
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
    return "true";
  }

  /** How many streams the agent has ended. */
  get ended(): number {
    return this.frames.filter(({ type }) => type === FrameType.result || type === FrameType.fail).length;
  }
}
