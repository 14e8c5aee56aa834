import { expect, test } from "bun:test";
import { AnswerCache } from "./cache.ts";
import { readAnswer } from "./message.ts";
import { writeQuery } from "./write.ts";

/** An answer with as many empty records as there may be, whose names are one of 240 bytes. */
function answerOfMany(count: number) {
  const name = Array.from({ length: 4 }, () => "n".repeat(59)).join(".");
  const message = Buffer.concat([
    writeQuery(name, 16, 1),
    ...Array(count).fill(Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 14, 16, 0, 0])),
  ]);
  message.writeUInt16BE(0x8180, 2);
  message.writeUInt16BE(count, 6);
  const answer = readAnswer(message);
  if (answer === undefined) throw new Error("the answer is malformed");
  return { message, answer };
}

test("what is kept is counted as what has been read, not as what came", () => {
  const cache = new AnswerCache();
  const { message, answer } = answerOfMany(4000);
  for (let i = 0; i < 10; i++) cache.set(`many ${i}`, message, answer, 0);
  // 4000 records with their names are about 2 MB: of ten answers of 48 KB, one stays.
  expect(cache.size).toBe(1);
  const small = answerOfMany(1);
  for (let i = 0; i < 1000; i++) cache.set(`small ${i}`, small.message, small.answer, 0);
  expect(cache.size).toBe(1000);
});
