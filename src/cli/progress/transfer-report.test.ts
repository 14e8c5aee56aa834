import { expect, test } from "bun:test";
import { Output } from "./output.ts";
import { reportTransfer } from "./transfer-report.ts";

function report(options: { quiet?: boolean; words?: readonly [string, string] } = {}) {
  let text = "";
  let now = 1000;
  const output = new Output(async (bytes) => {
    text += Buffer.from(bytes);
  });
  const sides = { first: "./file", second: "box:/\u001b[2J" };
  const made = reportTransfer(sides, {
    ...{ quiet: false, words: ["Uploading", "Uploaded"], env: {}, output, now: () => now },
    ...options,
  });
  const wait = (ms: number) => {
    now += ms;
  };
  return { ...made, text: () => text, wait };
}

test("at the end one line says what was copied, and no name drives the terminal", async () => {
  const one = report();
  Object.assign(one.progress, { files: 1, bytes: 4 * 1024 ** 2, total: 4 * 1024 ** 2 });
  one.wait(500);
  await one.end(true);
  expect(one.text()).toStartWith("Uploaded ./file -> box:/");
  expect(one.text()).toEndWith(": 4.0 MiB in 0.5 s (8.0 MiB/s)\n");
  expect(one.text()).not.toContain("\u001b");
  const many = report({ words: ["Downloading", "Downloaded"] });
  Object.assign(many.progress, { files: 12, bytes: 1024 });
  many.wait(1000);
  await many.end(true);
  expect(many.text()).toContain("12 files, 1.0 KiB in 1.0 s (1.0 KiB/s)");
  expect(many.text()).toStartWith("Downloaded ");
});

test("a copy that failed has no such line, and a quiet one says nothing", async () => {
  const failed = report();
  await failed.end(false);
  expect(failed.text()).toBe("");
  const quiet = report({ quiet: true });
  await quiet.end(true);
  expect(quiet.text()).toBe("");
});
