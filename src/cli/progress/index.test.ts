import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Screen } from "./screen.ts";

/** Each test starts programs, on machines that are busy with other tests. */
setDefaultTimeout(60_000);

/** Shows a pull with a layer of 8 MiB as `openDisplay` decides, from a process of its own. */
const PROGRAM = `
  const { openDisplay } = await import("${import.meta.dir}/index.ts");
  const { layer, resolved, resolving, stored, done } = await import("${import.meta.dir}/progress.fixture.ts");
  const display = openDisplay(process.argv[1], { upToDate: false });
  for (const event of [resolving(), resolved([8])]) display.show(event);
  for (let i = 1; i <= 4; i++) {
    await Bun.sleep(120);
    display.show(layer(0, i, 8));
  }
  if (process.argv[2] === "hang") console.log("hanging");
  if (process.argv[2] === "hang") await new Promise(() => setInterval(() => {}, 1000));
  // Neither settle nor exit: nothing of a display may keep a process alive.
  if (process.argv[2] === "done") for (const event of [stored(0), done()]) display.show(event);
`;

interface Shown {
  readonly screen: Screen;
  readonly raw: string;
  readonly exitCode: number | null;
}

/** Runs it on a terminal, and looks at that when the process has ended. */
async function onTerminal(
  words: readonly string[],
  env: Record<string, string>,
  columns = 80,
): Promise<Shown> {
  const screen = new Screen(columns, 24);
  let raw = "";
  let interrupted = false;
  const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, "-e", PROGRAM, ...words], {
    env: { PATH: process.env.PATH ?? "", ...env },
    terminal: {
      cols: columns,
      rows: 24,
      data(terminal, bytes) {
        raw += Buffer.from(bytes).toString();
        if (interrupted || !raw.includes("hanging")) return;
        interrupted = true;
        terminal.write("\x03");
      },
      exit: () => hangUp(),
    },
  });
  const exitCode = await child.exited;
  // What was written before the end may be read after it.
  await hungUp;
  child.terminal?.close();
  screen.write(raw.replaceAll("^C", ""));
  return { screen, raw, exitCode };
}

describe("auto", () => {
  test.each([[80], [40], [200]])("redraws on a terminal of %d columns, within its width", async (columns) => {
    const { screen, raw, exitCode } = await onTerminal(["auto", "done"], { TERM: "xterm" }, columns);
    expect(exitCode).toBe(0);
    expect(screen.text).toMatch(/^Pulled alpine:3\.20 \(8\.0 MiB in \d\.\d s\)$/);
    expect(screen.wraps).toBe(0);
    expect(raw).toContain("2.0 MiB / 8.0 MiB");
    expect(raw.includes("[===")).toBe(columns >= 80);
  });

  test.each([
    ["TERM is dumb", { TERM: "dumb" }],
    ["nobody knows what the terminal can do", {}],
  ])("prints lines when %s", async (_, env) => {
    const { raw, exitCode } = await onTerminal(["auto", "done"], env);
    expect(exitCode).toBe(0);
    expect(raw).toMatch(
      /^Pulling alpine:3\.20: 1 layer, 8\.0 MiB\r\nPulled alpine:3\.20 \(8\.0 MiB in \d\.\d s\)\r\n$/,
    );
  });

  test("prints lines when there is no terminal", async () => {
    const { stderr, stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", PROGRAM, "auto", "done"], {
      env: { PATH: process.env.PATH ?? "", TERM: "xterm" },
    });
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toBe("");
    expect(stderr.toString()).toMatch(/^Pulling alpine:3\.20: 1 layer, 8\.0 MiB\nPulled .*\n$/);
  });
});

test("tty redraws anywhere, as if on 80 columns", () => {
  const { stderr } = Bun.spawnSync([process.execPath, "-e", PROGRAM, "tty", "done"], {
    env: { PATH: process.env.PATH ?? "" },
  });
  const screen = new Screen(80, 24);
  screen.write(stderr.toString());
  expect(stderr.toString()).toContain("downloading [");
  expect(screen.text).toMatch(/^Pulled alpine/);
});

test("a process that ends in the middle of a pull is not kept alive", async () => {
  expect((await onTerminal(["auto"], { TERM: "xterm" })).exitCode).toBe(0);
});

test("Ctrl-C needs nobody to tidy up: no mode was set", async () => {
  const { raw, exitCode } = await onTerminal(["auto", "hang"], { TERM: "xterm" });
  expect(exitCode).toBe(130);
  expect(raw).not.toContain("\x1b[?");
  expect(raw).toContain("2.0 MiB / 8.0 MiB");
});
