import { expect, setDefaultTimeout, test } from "bun:test";

/** Each test starts programs, on machines that are busy with other tests. */
setDefaultTimeout(60_000);

const program = (quiet: boolean) => `
  const { copyProgress } = await import("${import.meta.dir}/copy.ts");
  const progress = copyProgress(${quiet});
  progress.show({ disk: "overlay", bytes: 512 * 1024, total: 2 * 1024 * 1024 });
  progress.show({ disk: "overlay", bytes: 513 * 1024, total: 2 * 1024 * 1024 });
  progress.end();
  progress.end();
  console.warn("done");
`;

async function onTerminal(quiet: boolean): Promise<string> {
  let shown = "";
  const { promise: hungUp, resolve } = Promise.withResolvers<void>();
  const child = Bun.spawn([process.execPath, "-e", program(quiet)], {
    env: { PATH: process.env.PATH ?? "", TERM: "xterm" },
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
  return shown;
}

test("a terminal shows how far a copy is, and nothing of it stays", async () => {
  expect(await onTerminal(false)).toBe(
    "\r\u001b[KCopying overlay: 512 KiB of 2.0 MiB (25%)\r\u001b[Kdone\r\n",
  );
  expect(await onTerminal(true)).toBe("done\r\n");
});

test("a log shows nothing", () => {
  const { stderr } = Bun.spawnSync([process.execPath, "-e", program(false)]);
  expect(stderr.toString()).toBe("done\n");
});
