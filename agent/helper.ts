import {
  connectTransport,
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameType,
  StreamFailure,
} from "../src/protocol/index.ts";

/** Frames are put together here; the transport copies what it cannot send at once. */
const scratch = new Uint8Array(128 * 1024);

/**
 * The socket on which the helper (agent/server.c) takes requests, one connection for each. The variable is for tests
 * that run the helper without a VM; in a guest /init decides the whole environment.
 */
const helperSocket = () => process.env.SMOLVM_HELPER ?? "/run/smolvm.helper";

const decoder = new TextDecoder();

/** What a request to the helper is told. */
export interface HelperEvents {
  /** The payload is valid only during the call. */
  onFrame(frame: Frame): void;
  /** After the last frame. */
  onClose(): void;
}

/** A connection to the helper that carries one request. */
export interface HelperLink {
  send(type: FrameType, channel: number, payload: Uint8Array): void;
  close(): void;
}

/** Sends a request to the helper. It waits there until the workload's root is ready. */
export async function openHelper(request: Uint8Array, events: HelperEvents): Promise<HelperLink> {
  const transport = await connectTransport({ unix: helperSocket() });
  const frames = new FrameDecoder();
  transport.onData = (bytes) => {
    try {
      frames.push(bytes, (frame) => events.onFrame(frame));
    } catch (error) {
      console.error(`smolvm: agent: ${String(error)}`);
      transport.close();
    }
  };
  transport.onClose = () => events.onClose();
  transport.write(encodeFrame(FrameType.open, 0, request));
  transport.start();
  return {
    send: (type, channel, payload) => transport.write(encodeFrame(type, 0, payload, channel, scratch)),
    close: () => transport.close(),
  };
}

/** The process that looked after a request died without a word, e.g. by the out-of-memory killer. */
export const helperEnded = () =>
  new StreamFailure({ code: "agent.failed", message: "the guest's helper ended unexpectedly" });

/** The helper's failure frame: a code, a line feed, a message. */
export function decodeFailure(payload: Uint8Array): StreamFailure {
  const text = decoder.decode(payload);
  const end = text.indexOf("\n");
  return new StreamFailure({ code: text.slice(0, end), message: text.slice(end + 1) });
}

/** A request with nothing but an end. @throws StreamFailure when the helper could not do it. */
export function askHelper(request: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const events: HelperEvents = {
      onFrame: (frame) => (frame.type === FrameType.fail ? reject(decodeFailure(frame.payload)) : resolve()),
      onClose: () => reject(helperEnded()),
    };
    openHelper(request, events).catch(reject);
  });
}
