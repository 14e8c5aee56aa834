import { complain } from "../output.ts";

/** Longest answer that is looked at. */
const MAX_ANSWER_BYTES = 1000;

/** Asks on stderr, and reads a line from stdin; whatever is not yes is no, the end of stdin too. */
export async function confirm(question: string): Promise<boolean> {
  process.stderr.write(`${question} [y/N] `);
  let answer = "";
  for await (const chunk of Bun.stdin.stream()) {
    answer += Buffer.from(chunk).toString();
    if (answer.includes("\n") || answer.length > MAX_ANSWER_BYTES) break;
  }
  if (!answer.includes("\n")) complain("");
  return /^\s*y(es)?\s*(\n|$)/i.test(answer);
}
