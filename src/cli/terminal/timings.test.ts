import { expect, test } from "bun:test";
import { Timings } from "./timings.ts";

test("spans follow each other; missing ones are left out; none is negative", () => {
  const timings = new Timings(1000);
  timings.end("startup", 1010);
  timings.end("image", 1030.04);
  timings.end("spawn", 1020);
  timings.end("first output", 1100);
  timings.end("first output", 9999);
  expect(timings.toJSON()).toEqual({ startup: 10, image: 20, spawn: 0, first_output: 70, total: 100 });
  expect(`${timings}`).toMatchInlineSnapshot(`
"startup           10.0 ms
image             20.0 ms
spawn              0.0 ms
first output      70.0 ms
total            100.0 ms"
`);
});
