/** What host and guest, and the command line and a machine's process, say to each other. See docs/protocol.md. */
export type { Codec } from "./codec.ts";
export { Connection, type ConnectionOptions } from "./connection.ts";
export { encodeFrame, type Frame, FrameDecoder, FrameType, ProtocolError } from "./frame.ts";
export { decodeJson, encodeJson, type JsonRequest, jsonCodec } from "./json.ts";
export * from "./messages.ts";
export { PipeTransport } from "./pipe-transport.ts";
export { failureOf, Stream, StreamFailure } from "./stream.ts";
export { connectTransport, isNobody, listenTransport, SocketTransport, type Transport } from "./transport.ts";
export { ReceiveWindow, SendWindow, WINDOW_BYTES } from "./window.ts";
