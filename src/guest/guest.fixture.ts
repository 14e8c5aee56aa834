/** Guests over real Unix sockets for tests: one whose agent is written in the test, and one that says any bytes. */
import { Connection, FrameType } from "../protocol/index.ts";
import { RawPeer, transportPair } from "../protocol/protocol.fixture.ts";
import { fieldsCodec } from "./codec.ts";
import { FieldWriter } from "./fields.ts";
import { Guest } from "./guest.ts";
import type { AgentConnection, AgentStream } from "./link.ts";

/** An agent's hello. */
export const agentHello = (): Uint8Array =>
  new FieldWriter().int(1, 3).int(2, 400).int(3, 450).int(4, 500_000_000).text(5, "6.12.0").finish();

/** A guest whose agent serves each stream with `onStream`. */
export async function guestWithAgent(
  onStream: (stream: AgentStream) => void,
): Promise<{ guest: Guest; agent: AgentConnection }> {
  const [first, second] = await transportPair();
  // The host's hello has none of an agent's fields.
  const decodeHello = () => ({ protocol: 3, initMs: 0, helloMs: 0, memoryBytes: 0, kernel: "" });
  const codec = { ...fieldsCodec, encodeHello: agentHello, decodeHello };
  return { guest: new Guest(first), agent: new Connection(second, { codec, onStream }) };
}

/** An agent without manners. */
export class RawAgent extends RawPeer {
  override greet(): void {
    this.frame(FrameType.hello, 0, agentHello());
  }

  /** A frame whose payload is fields. */
  say(type: FrameType, stream: number, fill: (fields: FieldWriter) => unknown = () => {}): void {
    const fields = new FieldWriter();
    fill(fields);
    this.frame(type, stream, fields.finish());
  }
}

export async function guestWithRawAgent(): Promise<{ guest: Guest; agent: RawAgent }> {
  const [first, second] = await transportPair();
  return { guest: new Guest(first), agent: new RawAgent(second) };
}
