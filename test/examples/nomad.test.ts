import { expect, setDefaultTimeout, test } from "bun:test";
import { file, imageWith } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { engine, slowness } from "../support/program.ts";
import { exampleFile, freePort, pure, succeed, unpacked, untilAnswers } from "./examples.fixture.ts";

/** The job of examples/nomad: read by a parser of HCL2, and done as Nomad's raw_exec does it. */
setDefaultTimeout(120_000 * slowness);

const home = useMachines();

const wheels = [
  pure("python-hcl2", "8.1.4", "75738bd95717d692a683495babf4d00063f1b211e2eca04b156c6d79b9a0feae"),
  pure("lark", "1.3.1", "c629b661023a014c37da873b4ff58a817398d12635d3bbb2c5a03be7fe5d1e12"),
];

const PARSE = "import hcl2, json, sys; print(json.dumps(hcl2.load(open(sys.argv[1]))))";

/** The job's task. */
async function readTask() {
  const directories = await Promise.all(wheels.map(unpacked));
  const env = { ...process.env, PYTHONPATH: directories.join(":") };
  const text = await succeed(["python3", "-c", PARSE, exampleFile("nomad/smolvm.nomad.hcl")], env);
  // The parser keeps the quotes of texts.
  const unquoted = (_: string, value: unknown) =>
    typeof value === "string" && value.startsWith('"') ? (JSON.parse(value) as string) : value;
  const { job } = JSON.parse(text, unquoted);
  return job[0]['"smolvm-web"'].group[0]['"web"'].task[0]['"machine"'];
}

test("raw_exec's task serves the image's page, ends by its signal, and leaves nothing", async () => {
  const task = await readTask();
  expect(task).toMatchObject({ driver: "raw_exec", kill_signal: "SIGTERM" });
  const image = await imageWith(
    { Cmd: ["httpd", "-f", "-p", "80", "-h", "/www"] },
    file("www/index.html", "page"),
  );
  const port = freePort();
  const known: Record<string, string> = {
    "var.image": image,
    NOMAD_TASK_DIR: home.path,
    NOMAD_SHORT_ALLOC_ID: "0a1b2c3d",
    NOMAD_ADDR_http: `127.0.0.1:${port}`,
  };
  const interpolate = (text: string) =>
    text.replace(/\$\{([^}]+)\}/g, (_, name: string) => {
      if (known[name] === undefined) throw new Error(`the job names ${name}, which the test does not know`);
      return known[name];
    });
  const [{ args }] = task.config as [{ args: string[] }];
  const entries = Object.entries(task.env[0] as Record<string, string>).filter(
    ([name]) => !name.startsWith("__"),
  );
  const env = Object.fromEntries(entries.map(([name, value]) => [name, interpolate(value)]));
  // The shared places of a client are not the tests' to write to.
  for (const name of ["XDG_CACHE_HOME", "XDG_RUNTIME_DIR"]) {
    expect(env[name]).toMatch(/^\/(var\/cache|run)\/smolvm$/);
    env[name] = home.env[name] as string;
  }

  const child = home.start(args.map(interpolate), { env: { ...env, SMOLVM_ENGINE: engine } });
  expect(await untilAnswers(`http://127.0.0.1:${port}/`, 60)).toBe("page");
  const list = await home.smolvm(["machine", "ls", "-q"], { env });
  expect(list.output).toBe("web-0a1b2c3d\n");
  child.kill(task.kill_signal);
  await child.exited;
  expect((await home.smolvm(["machine", "ls", "-q"], { env })).output).toBe("");
  expect(home.vmms()).toEqual([]);
});
