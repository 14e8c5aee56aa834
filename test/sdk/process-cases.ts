/** Cases of the suite (suite.ts): processes whose streams a program has. */
import assert from "node:assert/strict";
import { InvalidStateError, type Machine, SmolvmError } from "../../sdk/src/index.ts";
import { rejects } from "./cases.ts";

export const processCases: Record<string, (machine: Machine) => Promise<void>> = {
  "a process as streams, lines and events": async (machine) => {
    const cat = await machine.spawn(["cat"]);
    const writer = cat.stdin.getWriter();
    await writer.write(new TextEncoder().encode("one\ntwo"));
    await writer.close();
    const lines: string[] = [];
    for await (const line of cat.lines()) lines.push(line);
    assert.deepEqual(lines, ["one", "two"]);
    assert.deepEqual(await cat.exited, { exitCode: 0, signal: null });

    const seen: string[] = [];
    for await (const event of await machine.spawn(["sh", "-c", "echo out; echo err >&2; exit 4"])) {
      if (event.type === "stdout" || event.type === "stderr")
        seen.push(`${event.type} ${Buffer.from(event.data)}`);
      if (event.type === "exit") seen.push(`exit ${event.exitCode}`);
    }
    assert.deepEqual(seen.slice(0, 2).sort(), ["stderr err\n", "stdout out\n"]);
    assert.equal(seen[2], "exit 4");

    const asked = await machine.spawn(["sh", "-c", "trap 'exit 7' TERM; echo ready; sleep 3000 & wait"]);
    for await (const line of asked.lines()) if (line === "ready") break;
    asked.kill();
    assert.equal((await asked.exited).exitCode, 7);
    // Leaving a loop over events kills.
    for await (const event of await machine.spawn(["sleep", "4000"])) if (event.type === "started") break;
    assert.equal((await machine.run("ps | grep -c '[s]leep 4000'")).output, "0");
  },
  "a detached process outlives its handle, is found again, and loses nothing that is kept": async (
    machine,
  ) => {
    const script = "echo one; read line; echo $line; exit 5";
    const begun = machine.spawn(["sh", "-c", script], { detached: true });
    if (process.env.SMOLVM_URL !== undefined) return await rejects(begun, SmolvmError, "sdk.unsupported");
    const first = await begun;
    for await (const line of first.lines()) {
      assert.equal(line, "one");
      break;
    }
    await first.detach();
    await rejects(first.exited, InvalidStateError, "sdk.detached");
    const id = first.id as string;
    const listed = (await machine.processes()).find((one) => one.id === id);
    assert.deepEqual([listed?.running, listed?.command.at(-1)], [true, script]);
    const again = await machine.attach(id, { since: { stdout: 4, stderr: 0 } });
    const writer = again.stdin.getWriter();
    await writer.write(new TextEncoder().encode("two\n"));
    assert.deepEqual([(await again.result()).stdout, (await again.exited).exitCode], ["two\n", 5]);
    assert.equal((await (await machine.attach(id)).result()).stdout, "one\ntwo\n");
    // Nobody has read it, and the first of it is gone.
    const flooding = "head -c 3000000 /dev/zero; touch /tmp/flooded";
    const flood = await machine.spawn(["sh", "-c", flooding], { detached: true });
    await flood.detach();
    await machine.run("while ! [ -e /tmp/flooded ]; do sleep 0.1; done");
    const late = await machine.attach(flood.id as string);
    const { stdoutBytes } = await late.result();
    assert.equal(stdoutBytes.length + late.missedBytes, 3_000_000);
    assert.equal(stdoutBytes.length, 512 * 1024);
    await rejects(machine.attach("nothing"), SmolvmError, "process.not_found");
    const short = await machine.spawn(["true"]);
    await rejects(short.detach(), InvalidStateError, "sdk.not_detached");
  },
  "a terminal, and its size": async (machine) => {
    const shell = await machine.spawn(["sh", "-c", "stty size; read line; stty size"], {
      tty: { cols: 91, rows: 17 },
    });
    const lines: string[] = [];
    const writer = shell.stdin.getWriter();
    for await (const line of shell.lines()) {
      lines.push(line.trim());
      if (lines.length > 1) continue;
      shell.resize(60, 20);
      await writer.write(new TextEncoder().encode("\n"));
    }
    assert.deepEqual([lines[0], lines.at(-1)], ["17 91", "20 60"]);
  },
};
