import { expect, test } from "bun:test";
import fc from "fast-check";

/** What a process prints of values, one after the other. */
function printed(values: readonly unknown[]): string {
  const program = `
    const { printJson } = await import("${import.meta.dir}/output.ts");
    for (const value of JSON.parse(await Bun.stdin.text())) await printJson(value);
  `;
  const input = Buffer.from(JSON.stringify(values));
  return Bun.spawnSync([process.execPath, "-e", program], { stdin: input }).stdout.toString();
}

test("an error has no colour, on whatever terminal", async () => {
  const program = `
    const { report } = await import("${import.meta.dir}/report.ts");
    const { SmolError } = await import("${import.meta.dir}/../errors.ts");
    report(new SmolError("a.b", "100%s", { hint: "%d" }), { json: false, failureCode: 1 });
  `;
  let shown = "";
  const { promise: hungUp, resolve } = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { PATH: process.env.PATH ?? "", TERM: "xterm-256color" },
    terminal: {
      data: (_, bytes) => {
        shown += Buffer.from(bytes).toString();
      },
      exit: () => resolve(),
    },
  });
  await child.exited;
  await hungUp;
  child.terminal?.close();
  expect(shown).toBe("error: 100%s\r\nhint: %d\r\n");
});

test("JSON has the value of what is printed, and nothing that a terminal would obey", () => {
  const samples = fc.sample(fc.string({ unit: "binary-ascii" }), 50);
  const values = [["\u009b31m", "\u007f\u0085\u2028\u2029", "\u001b[2J", "漢字 é"], ...samples];
  const text = printed([values]);
  expect(JSON.parse(text)).toEqual(values);
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
  expect(text).toContain("漢字 é");
});
