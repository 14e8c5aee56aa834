import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { root } from "../../build/host.ts";
import { useMachines } from "../support/machines.ts";
import { collect } from "../support/process.ts";
import { program } from "../support/program.ts";

/** `examples/python/sandbox.py`, as its first lines say that it is used. */

const machines = useMachines();
const work = mkdtempSync("/tmp/sv-python-");
afterAll(() => rmSync(work, { recursive: true }));

test("an agent's command changes its copy of the project, and nothing else", async () => {
  mkdirSync(`${work}/project`);
  writeFileSync(`${work}/project/greeting`, "hello\n");
  const command = "sed -i s/hello/goodbye/ greeting; cat greeting; rm -rf /etc; ls /no-such-file; exit 3";
  const script = `${root}/examples/python/sandbox.py`;
  const child = Bun.spawn(["/usr/bin/python3", script, `${work}/project`, `${work}/result`, command], {
    env: {
      ...machines.env,
      SMOLVM_BIN: program,
      PYTHONPATH: `${root}/python/src`,
      PYTHONDONTWRITEBYTECODE: "1",
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const { exitCode, output, stderr } = await collect(child, "sandbox.py", 120_000);
  expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: "" });
  expect(output).toStartWith("goodbye\n");
  expect(output).toContain("/no-such-file");
  expect(readFileSync(`${work}/project/greeting`, "utf8")).toBe("hello\n");
  expect(readFileSync(`${work}/result/greeting`, "utf8")).toBe("goodbye\n");
  expect(existsSync("/etc/passwd")).toBe(true);
}, 150_000);
