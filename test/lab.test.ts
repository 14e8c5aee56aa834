import { expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { type LabResult, runLab } from "./lab/machine.ts";
import { linkOrCopy, withScratch } from "./lab/scratch.ts";
import { testImages } from "./support/images.ts";
import { program } from "./support/program.ts";

/**
 * The whole-program tests on krun: all files of this directory once more, with those of their tests that are
 * registered by `onBoth`, inside a machine whose emulated processor has hardware virtualization. One boot for all.
 */

const FILES = [
  "exit",
  "streams",
  "terminal",
  "isolation",
  "inspect",
  "images",
  "concurrency",
  "leftovers",
  "engine/devices",
  "engine/disks",
  "engine/memory",
  "machines/cp",
  "machines/short",
  "machines/lent",
  "machines/named-network",
  "machines/network",
  "machines/policy",
  "machines/volumes",
  "machines/workspace",
  "pack/options",
];

/** As many tests as these files have for krun, at the least. */
const LEAST = 50;

const LIMIT_SECONDS = 1500;

/** Runs the tests inside; their results as JUnit XML come from stdout. */
async function runInside(): Promise<LabResult & { report: string; log: string }> {
  return await withScratch(async (stage) => {
    linkOrCopy(program, `${stage}/smolvm`);
    linkOrCopy(process.execPath, `${stage}/bun`);
    for (const name of [
      "test/support",
      "test/image",
      "src",
      "ffi",
      "dist/assets",
      "node_modules/valibot",
      ...FILES.map((file) => `test/${file}.test.ts`),
    ]) {
      cpSync(`${import.meta.dir}/../${name}`, `${stage}/${name}`, { recursive: true });
    }
    const { archive } = await testImages();
    const images = archive.slice(0, archive.lastIndexOf("/"));
    cpSync(images, `${stage}/build/${images.slice(images.lastIndexOf("/"))}`, {
      recursive: true,
      verbatimSymlinks: true,
    });
    const output = { report: "", log: "" };
    const result = await runLab({
      directory: stage,
      command: ["bash", "-c", script],
      memoryMib: 4096,
      limitSeconds: LIMIT_SECONDS,
      onStdout: (bytes) => {
        output.report += Buffer.from(bytes).toString();
      },
      onStderr: (bytes) => {
        output.log += Buffer.from(bytes).toString();
        process.stderr.write(bytes);
      },
    });
    return { ...result, ...output };
  });
}

const script = `
./bun test/support/loopback.ts
export SMOLVM_TEST_ENGINE=krun SMOLVM_TEST_PROGRAM=/project/smolvm SMOLVM_TEST_BUILD=/project/build
# The verdict on KVM is kept for the tests. The first guest of an emulator that is still warming up may be too slow.
for _ in 1 2 3; do
  XDG_CACHE_HOME=$SMOLVM_TEST_BUILD/cache-krun ./smolvm doctor --json | grep -q '"chosen": "krun"' && break
done
run_tests() {
  ./bun test --max-concurrency 1 --reporter=junit --reporter-outfile=/tmp/report.xml ${FILES.map((name) => `./test/${name}.test.ts`).join(" ")} 2>&1 |
    tee /tmp/tests.log >&2
  code=\${PIPESTATUS[0]}
}
run_tests
# When its host is busy, the emulation of nested virtualization now and then resets a guest that boots, without a word
# on the guest's console (about one boot in 40). Only after such a reset everything is run once more.
if [ $code != 0 ] && grep -q "the VM ended before its agent was ready (exit code 0)" /tmp/tests.log; then
  echo "a guest was reset by the lab: once more" >&2
  run_tests
fi
cat /tmp/report.xml
exit $code`;

interface Case {
  readonly name: string;
  readonly failed: boolean;
}

/** The test cases of a JUnit report. */
function casesOf(report: string): Case[] {
  return [...report.matchAll(/<testcase ([^>]*?)(\/>|>.*?<\/testcase>)/gs)].map(
    ([, attributes = "", rest = ""]) => ({
      name: `${attribute(attributes, "file").replace(/.*\//, "")}: ${attribute(attributes, "classname")}: ${attribute(attributes, "name")}`,
      failed: rest.includes("<failure") || rest.includes("<error"),
    }),
  );
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function attribute(text: string, name: string): string {
  const value = text.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "";
  return value.replace(/&(amp|lt|gt|quot|apos);/g, (_, entity: string) => entities[entity] ?? "");
}

const inside = await runInside();
const cases = casesOf(inside.report);

for (const { name, failed } of cases) {
  test(`krun: ${name}`, () => {
    if (failed) throw new Error("failed inside the lab; what it said is above");
  });
}

test("krun: the lab ran all of them", () => {
  expect(cases.length).toBeGreaterThanOrEqual(LEAST);
  expect(inside.exitCode === 0).toBe(cases.every(({ failed }) => !failed));
});
