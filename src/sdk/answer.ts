import { Channel, type Stream } from "../protocol/index.ts";

const encoder = new TextEncoder();

/** Answers with JSON of any length, on channel 1; the result is then `{}`. */
export async function answerWith(stream: Stream, value: unknown): Promise<Record<string, never>> {
  await stream.write(Channel.stdout, encoder.encode(JSON.stringify(value)));
  stream.end(Channel.stdout);
  return {};
}
