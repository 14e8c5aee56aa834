import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { directory, file, imageWith } from "../support/images.ts";
import { SMALL } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { onQemu } from "../support/register.ts";
import { copyTo, type Server, startDockerRegistry } from "../support/registry/index.ts";
import { PilotHome } from "./home.ts";

/** What an adapter's callers get of commands that start machines; V13 and so on are Pilot's own acceptance checks. */

const home = new PilotHome();
let registry: Server;

beforeAll(async () => {
  registry = await startDockerRegistry();
  // Another one for each run, as the cache that is shared would have it by the second.
  const files = [file("etc/alpine-release", "3.20.0\n"), file("etc/run", crypto.randomUUID())];
  const archive = await imageWith({}, directory("etc"), ...files);
  await copyTo(registry, `docker-archive:${archive}`, "alpine:latest");
  // What ends is counted here, and a guest that is saved beside a machine would be too.
  const templates = '[templates]\nmode = "off"\n';
  await home.writeSettings(`[images]\ndefault_registry = "${registry.host}"\n\n${templates}`);
});

afterAll(async () => {
  await registry.stop();
  await home.deleteAll();
  home.remove();
});

const run = (...words: readonly string[]) => ["machine", "run", ...SMALL, ...words];
/** Of the built-in image. */
const shell = (script: string) => run("--", "sh", "-c", script);

onQemu("V13: an image is downloaded and run, and stdout has nothing but its output", async () => {
  const script = "echo hello from microVM; uname -a; cat /etc/alpine-release";
  const answer = await home.wrapped(run("--net", "--image", "alpine", "--", "sh", "-c", script));
  expect(answer).toMatchObject({ exit: 0, truncated: false });
  expect(answer.stdout).toMatch(/^hello from microVM\nLinux .*\n3\.20\.0$/);
  expect(answer.stderr).toMatch(/^Starting ephemeral machine \(vm-[0-9a-f]{8}\)\.\.\.$/m);
  expect(answer.stderr).toContain("alpine");
  for (const redraws of ["\u001b", "\r"]) expect(answer.stderr).not.toContain(redraws);
});

onQemu("V14, V15: what a program prints and how it ends", async () => {
  expect(await home.wrapped(shell("echo 2**100 = $(echo 2^100 | bc)"))).toMatchObject({
    ...{ stdout: "2**100 = 1267650600228229401496703205376", exit: 0 },
  });
  expect(await home.wrapped(shell("exit 7"))).toMatchObject({ exit: 7, stdout: "" });
  expect(await home.call(shell("echo 42"))).toBe(42);
  expect(await home.wrapped(shell("printf '\\200'"))).toMatchObject({ exit: 0, stdout: "\ufffd" });
  expect(await home.wrapped(shell("sleep 60 & kill -9 $!; wait $!"))).toMatchObject({ exit: 137 });
});

onQemu("V16: a start answers when the machine runs, and leaves nothing of the caller's open", async () => {
  await home.create("box");
  const answer = await home.wrapped(["machine", "start", "box"]);
  expect(answer).toMatchObject({ exit: 0, stderr: "" });
  expect(answer.stdout).toMatch(/^Started machine: box\nMachine 'box' running/);
  // What these start has no streams but theirs; that none is the caller's is why the answer came.
  for (const pid of home.roles("__machine"))
    for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe("/dev/null");
  expect(home.roles("__machine")).toEqual([(await home.state("box")).pid as number]);
});

onQemu("V21: what the caller gives as stdin is a program's, to its end", async () => {
  const cat = ["machine", "exec", "--name", "box", "-i", "--", "cat"];
  expect(await home.wrapped(cat, { stdin: "abc" })).toMatchObject({ exit: 0, stdout: "abc", stderr: "" });
  const terminal = await home.wrapped(["machine", "exec", "--name", "box", "-it", "--", "echo", "x"]);
  expect(terminal).toMatchObject({ exit: 0, stdout: "x" });
});

onQemu("V17: kill -9 of a run that takes too long takes its machine along", async () => {
  const before = { machines: await home.names(), processes: home.processes().length };
  const sockets = readdirSync(home.sockets);
  const answer = await home.wrapped(shell("echo begun; sleep 60"), { isKilled: true });
  expect(answer).toMatchObject({ exit: -1, stdout: "begun" });
  const gone = () => home.processes().length === before.processes;
  await until("the machine's end", gone, 3);
  expect(await home.names()).toEqual(before.machines);
  expect(readdirSync(home.sockets)).toEqual(sockets);
  await home.ok("delete", "-f", "box");
  await until("the end of everything", () => home.processes().length === 0, 3);
  expect(existsSync(home.sockets)).toBe(false);
});

onQemu("V19: a log that is too long for an answer is cut to its end, and says so", async () => {
  // "<" takes six bytes in the answer.
  await home.create("noisy", "--", "sh", "-c", "seq 1 60000 | sed 's/$/ <<<<<<<</'; echo the end >&2");
  await home.ok("start", "noisy");
  await home.ok("wait", "noisy");
  const answer = await home.wrapped(["machine", "logs", "noisy"]);
  expect(answer).toMatchObject({ exit: 0, truncated: false });
  expect(answer.stdout).toEndWith("\n60000 <<<<<<<<");
  expect(answer.stdout.length).toBeLessThan(60_000 * 13);
  expect(answer.stderr).toMatch(/^note: only the end of the log .*--tail all.*\nthe end$/);
  await expect(home.call(["machine", "logs", "--tail", "all", "noisy"])).rejects.toThrow("server closed");
  expect(await home.wrapped(["machine", "logs", "--tail", "1", "noisy"])).toMatchObject({
    stderr: "the end",
  });
});
