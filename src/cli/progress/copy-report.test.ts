import { expect, test } from "bun:test";
import type { ProgressMode } from "../options/pull-options.ts";
import { reportCopy } from "./copy-report.ts";
import { Output } from "./output.ts";
import { Paper } from "./progress.fixture.ts";

const MIB = 1024 * 1024;

/** What is printed of a copy that takes so many seconds. */
async function print(progress: ProgressMode, seconds: number, quiet = false): Promise<string> {
  const paper = new Paper();
  let time = 0;
  const output = new Output(paper.send);
  const report = reportCopy({ quiet, progress, env: {}, output, now: () => time });
  for (let second = 0; second <= seconds; second++) {
    time = second * 1000;
    report.onCopy?.((second / seconds) * 100 * MIB, 100 * MIB);
    await output.flush();
  }
  await report.end();
  return paper.text;
}

test("without a terminal: the start, and a line now and then", async () => {
  expect(await print("auto", 2)).toBe("Copying the image into the machine: 100 MiB\n");
  expect(await print("plain", 12)).toBe(
    [
      "Copying the image into the machine: 100 MiB",
      "Copying the image into the machine: 41% of 100 MiB",
      "Copying the image into the machine: 83% of 100 MiB\n",
    ].join("\n"),
  );
});

test("on a terminal: one line, which nothing is left of", async () => {
  expect(await print("tty", 2)).toBe(
    [
      "\rCopying the image into the machine: 100 MiB\x1b[K",
      "\rCopying the image into the machine: 50% of 100 MiB\x1b[K",
      "\rCopying the image into the machine: 100% of 100 MiB\x1b[K",
      "\r\x1b[K",
    ].join(""),
  );
});

test("of something else", async () => {
  const paper = new Paper();
  const output = new Output(paper.send);
  const report = reportCopy({ quiet: false, progress: "plain", output });
  report.onCopy?.(MIB, 2 * MIB, "the overlay disk");
  await report.end();
  expect(paper.text).toBe("Copying the overlay disk: 50% of 2.0 MiB\n");
});

test("as JSON", async () => {
  expect(await print("json", 1)).toBe(
    `{"event":"copying","bytes":0,"size":${100 * MIB}}\n{"event":"copying","bytes":${100 * MIB},"size":${100 * MIB}}\n`,
  );
});

test("nothing, for those who want nothing", async () => {
  expect(await print("none", 1)).toBe("");
  expect(await print("tty", 1, true)).toBe("");
});
