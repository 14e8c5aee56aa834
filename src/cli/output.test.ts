import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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

test("a file that is written by several programs keeps what was there, also when there is nothing to print", () => {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-output-`);
  try {
    const program = `
      const { print } = await import("${import.meta.dir}/output.ts");
      for (const text of JSON.parse(process.argv[1])) await print(text);
    `;
    const script = 'echo before; "$0" -e "$1" "$2"; echo after';
    const outputOf = (texts: readonly string[]): string => {
      const stdout = openSync(`${directory}/log`, "w");
      const words = ["sh", "-c", script, process.execPath, program, JSON.stringify(texts)];
      Bun.spawnSync(words, { stdout });
      closeSync(stdout);
      return readFileSync(`${directory}/log`, "utf8");
    };
    expect(outputOf([""])).toBe("before\nafter\n");
    expect(outputOf(["a\n", "", "b\n"])).toBe("before\na\nb\nafter\n");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

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
