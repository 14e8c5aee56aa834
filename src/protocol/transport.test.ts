import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectTransport, isNobody } from "./index.ts";

/** Of a process; `Z` once it has ended and its files are closed. */
const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, "utf8").match(/\) (\S)/)?.[1];

test("nobody answers where there is no socket, nobody listens, or the listener dies before it takes us", async () => {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-transport-"));
  try {
    const unix = join(directory, "socket");
    const failure = async () =>
      connectTransport({ unix }).then(
        () => undefined,
        (error) => error,
      );
    expect(isNobody(await failure())).toBe(true);
    const script = `Bun.listen({ unix: ${JSON.stringify(unix)}, socket: { data() {} } }); console.log("listens");`;
    const listener = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    await listener.stdout.getReader().read();
    // Stopped, it takes nobody; the kernel lets us connect all the same.
    listener.kill("SIGSTOP");
    while (stateOf(listener.pid) !== "T");
    const connecting = failure();
    listener.kill("SIGKILL");
    // Its threads share its files, and end one by one.
    while (stateOf(listener.pid) !== "Z" || readdirSync(`/proc/${listener.pid}/task`).length > 1);
    expect(await connecting).toMatchObject({ code: "ECONNRESET" });
    expect(isNobody(await connecting)).toBe(true);
    await listener.exited;
    expect(isNobody(await failure())).toBe(true);
    expect(isNobody(Object.assign(new Error("no"), { code: "EACCES" }))).toBe(false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
