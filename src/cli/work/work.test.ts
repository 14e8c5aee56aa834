import { expect, setDefaultTimeout, test } from "bun:test";

/** Each test starts programs, on machines that are busy with other tests. */
setDefaultTimeout(60_000);

/** Work that says that it begins, and when it was told to end; what is thrown is the program's exit code. */
const PROGRAM = `
  const { interruptible } = await import("${import.meta.dir}/interruptible.ts");
  try {
    await interruptible(async (signal) => {
      console.log("begun");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      console.log("put away");
    });
  } catch (error) {
    console.log(error.name);
    process.exit(error.exitCode);
  }
`;

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s gives work up, which has a moment to end", async (signal, exitCode) => {
  const child = Bun.spawn([process.execPath, "-e", PROGRAM], { stdout: "pipe" });
  let output = "";
  for await (const chunk of child.stdout) {
    output += Buffer.from(chunk).toString();
    if (output === "begun\n") child.kill(signal);
  }
  expect(output).toBe("begun\nput away\nInterrupted\n");
  expect(await child.exited).toBe(exitCode);
});
