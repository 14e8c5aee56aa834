import { describe, expect, test } from "bun:test";
import { SmolError } from "../../errors.ts";
import { program } from "../commands/index.ts";
import { parseOrExplain } from "../interpret.ts";
import type { Invocation } from "../program/types.ts";

async function invocationOf(...argv: string[]): Promise<Invocation> {
  const parsed = await parseOrExplain(program, argv);
  if (parsed.kind !== "command") throw new Error(`not a command: ${parsed.kind}`);
  return parsed.invocation;
}

/** `message | hint` of the refusal. */
async function refusalOf(...argv: string[]): Promise<string> {
  try {
    await parseOrExplain(program, argv);
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    expect(error.exitCode).toBe(2);
    return error.hint === undefined ? error.message : `${error.message} | ${error.hint}`;
  }
  throw new Error(`was not refused: ${argv.join(" ")}`);
}

describe("finding the command", () => {
  test.each([
    [["machine", "ls"], "machine ls"],
    [["vm", "list"], "machine ls"],
    [["machine", "run"], "machine run"],
    [["doctor"], "doctor"],
    [["image", "ls"], "images ls"],
    [["images", "list", "-q"], "images ls"],
    [["images", "remove", "-f", "a", "b"], "images rm"],
    [["pull", "--platform", "linux/arm/v7", "alpine"], "pull"],
    [["images", "pull", "alpine", "debian", "-q"], "images pull"],
    [["machine", "prune", "--dry-run"], "machine prune"],
    [["--json", "machine", "ls"], "machine ls"],
    [["machine", "--json", "ls"], "machine ls"],
  ])("%j", async (argv, path) => {
    expect((await invocationOf(...argv)).command.path.join(" ")).toBe(path);
  });

  test.each([
    [["--help"], { kind: "help", topic: [], form: "long" }],
    [["-h"], { kind: "help", topic: [], form: "short" }],
    [["-V"], { kind: "version", json: false }],
    [["--version", "machine", "ls"], { kind: "version", json: false }],
    [["machine", "-h"], { kind: "help", topic: ["machine"], form: "short" }],
    [["-h", "vm", "run"], { kind: "help", topic: ["machine", "run"], form: "short" }],
    [["vm", "run", "-ith"], { kind: "help", topic: ["machine", "run"], form: "short" }],
    [
      ["vm", "run", "--image", "x", "--help", "--nonsense"],
      { kind: "help", topic: ["machine", "run"], form: "long" },
    ],
    [[], { kind: "incomplete", topic: [] }],
    [["vm"], { kind: "incomplete", topic: ["machine"] }],
  ])("%j", async (argv, expected) => {
    expect(await parseOrExplain(program, argv)).toEqual(expected as never);
  });

  test("options before the command belong to it, with their values", async () => {
    const { values, workload } = await invocationOf(
      "--engine",
      "qemu",
      "-it",
      "-e",
      "A=1",
      "vm",
      "-n=x",
      "run",
      "ls",
    );
    expect(values).toMatchObject({ engine: "qemu", interactive: true, tty: true, name: "x" });
    expect(workload).toEqual(["ls"]);
  });
});

describe("where the options end", () => {
  test.each([
    [["echo", "-n", "--image", "--", "x"], ["echo", "-n", "--image", "--", "x"], false],
    [["--", "--image", "x"], ["--image", "x"], true],
    [["--", "--", "x"], ["--", "x"], true],
    [["-i", "--", ""], [""], true],
    [["", "-x"], ["", "-x"], false],
    [["-", "-x"], ["-", "-x"], false],
    [["--", "*", "$HOME", "ü", "a b", "--help"], ["*", "$HOME", "ü", "a b", "--help"], true],
    [["--"], [], true],
    [[], [], false],
  ])("machine run %j", async (argv, words, explicit) => {
    const invocation = await invocationOf("machine", "run", ...argv);
    expect(invocation.words).toEqual([]);
    expect(invocation.workload).toEqual(words);
    expect(invocation.explicit).toBe(explicit);
  });
});

describe("the name of a machine beside a command", () => {
  test.each([
    [["box", "--", "ls", "-l"], ["box"], ["ls", "-l"]],
    [["--", "box", "--", "ls"], [], ["box", "--", "ls"]],
    [["box", "ls", "--", "x"], [], ["box", "ls", "--", "x"]],
    [["-it", "box", "--", "sh"], ["box"], ["sh"]],
    [["-n", "box", "ls"], [], ["ls"]],
  ])("machine exec %j", async (argv, words, workload) => {
    expect(await invocationOf("machine", "exec", ...argv)).toMatchObject({ words, workload });
  });

  test("without a command there is nothing to run", async () => {
    expect(await refusalOf("machine", "exec", "box", "--")).toStartWith("machine exec needs a command");
  });
});

test.each([
  [["--engine=qemu"], { engine: "qemu" }],
  [["--image", "-"], { image: "-" }],
  [["-I-"], { image: "-" }],
  [["-I=a=b"], { image: "a=b" }],
  [["-itw/x"], { interactive: true, tty: true, workdir: "/x" }],
  [["-itw", "/x"], { interactive: true, tty: true, workdir: "/x" }],
  [["--name=-x"], { name: "-x" }],
  [["-u", "007"], { user: "007" }],
  [["-u", "1e3"], { user: "1e3" }],
  [["--entrypoint="], { entrypoint: "" }],
  [["-w", "", "-u", ""], { workdir: "", user: "" }],
  [["--reaper"], { reaper: true }],
  [["--reaper=off", "--mitigations=on"], { reaper: false, mitigations: true }],
  [["--init", "apk add git", "--init=true"], { init: ["apk add git", "true"] }],
  [
    ["-dl", "a=b=c", "-l", "x"],
    {
      detach: true,
      labels: [
        { name: "a", value: "b=c" },
        { name: "x", value: "" },
      ],
    },
  ],
  [["--restart", "on-failure:5"], { restart: { policy: "on-failure", maxRetries: 5 } }],
  [["--restart=OnFailure"], { restart: { policy: "on-failure", maxRetries: undefined } }],
  [
    ["--ttl", "none", "--idle-timeout", "30d", "--pids", "none"],
    { ttl: null, idleTimeout: 2_592_000_000, pids: null },
  ],
  [["--stop-signal", "RTMIN+3", "--stop-timeout", "0"], { stopSignal: "RTMIN+3", stopTimeout: 0 }],
  [["--timings"], { timings: "text" }],
  [["--timings=json"], { timings: "json" }],
  [["--platform", "linux/x86_64"], { platform: { os: "linux", architecture: "amd64" } }],
])("machine run %j", async (argv, values) => {
  expect((await invocationOf("machine", "run", ...argv, "--", "true")).values).toMatchObject(values);
});

/** Argument lists and what is said about them; the words after `machine run` where `run` is true. */
const REFUSED: readonly [string, string][] = [
  ["frobnicate", "unknown command `frobnicate` | see `smolvm -h`"],
  ["machine frobnicate", "unknown command `machine frobnicate` | see `smolvm machine -h`"],
  ["machine rnu", "unknown command `machine rnu` | did you mean `smolvm machine run`?"],
  ["machnie run", "unknown command `machnie` | did you mean `smolvm machine`?"],
  ["run alpine", "unknown command `run` | did you mean `smolvm machine run`?"],
  ["ls", "unknown command `ls` | did you mean `smolvm machine ls`?"],
  ["ps", "unknown command `ps` | did you mean `smolvm machine ls`?"],
  ["container run alpine:latest", "unknown command `container run` | did you mean `smolvm machine run`?"],

  [
    "machine fork --name x",
    "`smolvm machine fork` is not available in this release: running machines are not copied; `smolvm machine clone` " +
      "copies one that is stopped | see `smolvm machine -h`",
  ],
  ["machine create x sh", "unexpected argument: sh | see `smolvm machine create -h`"],
  [
    "machine delete -f --cascade x",
    "--cascade is not available in this release: no machine depends on another one | leave it out",
  ],
  [
    "machine start --forkable",
    "--forkable is not available in this release: running machines are not copied | `smolvm machine clone` copies one that is stopped",
  ],
  ["machine run --pids-limit 5", "unknown option --pids-limit | did you mean --pids?"],
  [
    "machine run --restart sometimes",
    '--restart: must be never or always or on-failure or unless-stopped, not "sometimes" | on-failure:5 gives up after five times in a row',
  ],
  [
    "machine run --stop-signal SIGNOPE",
    '--stop-signal: there is no signal "SIGNOPE" | write for example SIGTERM, TERM or 15',
  ],
  [
    "machine run --init -- dockerd",
    "--init needs a value: --init COMMAND | for a small process 1 that reaps, as docker's --init, write --reaper",
  ],
  [
    "machine run --init -it sh",
    "--init needs a value: --init COMMAND | for a small process 1 that reaps, as docker's --init, write --reaper",
  ],
  ["machine create -l =x", '--label: the label has no name: "=x" | write NAME=VALUE'],
  [
    "machine ls --filter colour=red",
    '--filter: not a filter: "colour=red" | write state=running, label=NAME or label=NAME=VALUE',
  ],
  [
    "machine ls --filter state=happy",
    '--filter: there is no state "happy" | the states are created, starting, running, stopping, stopped, failed, unreachable, unknown',
  ],
  [
    "machine logs --since yesterday",
    '--since: not a time: "yesterday" | write for example 10m (ago), 2026-01-31T12:00:00Z, or seconds since 1970',
  ],
  ["machine logs --tail some", '--tail: not a whole number: "some"'],
  ["machine clone", "machine clone needs [NAME] NEW | see `smolvm machine clone -h`"],
  [
    "machine run -itP x",
    "-P is not available in this release: ports are published one by one | give -p HOST:GUEST",
  ],
  ["machine run --gpu=maybe", '--gpu: must be on or off, not "maybe"'],
  ["machine create --gpu-vram 0", "--gpu-vram: GPU memory must be at least 1 MiB (got 0 MiB)"],
  [
    "machine run --gpus all",
    "--gpus is not available in this release: no machine has a driver for CUDA, and no device of the host's is handed over | --gpu gives it a GPU for OpenGL",
  ],
  ["machine run --memory 512", "unknown option --memory | did you mean --mem?"],
  ["machine run -m 512", "unknown option -m | did you mean --mem?"],
  ["machine run --imgae x", "unknown option --imgae | did you mean --image?"],
  ["machine run --zzzzzz", "unknown option --zzzzzz | see `smolvm machine run -h`"],
  ["machine ls --image x", "unknown option --image | --image is an option of `smolvm machine run`"],
  ["--engine qemu machine ls", "unknown option --engine | --engine is an option of `smolvm machine run`"],
  ["--bogus machine ls", "unknown option --bogus | see `smolvm -h`"],
  ["machine ls x", "unexpected argument: x | see `smolvm machine ls -h`"],
  ["machine ls -- x", "unexpected argument: x | see `smolvm machine ls -h`"],
  ["machine exec -it", "machine exec needs a command | see `smolvm machine exec -h`"],
  ["machine exec --mem 512 -- true", "unknown option --mem | --mem is an option of `smolvm machine run`"],
  ["completion", "completion needs SHELL | see `smolvm completion -h`"],
  ["--json", "expected a command after --json | see `smolvm -h`"],
  ["-- echo hi", "expected a command before -- | see `smolvm -h`"],
  ["machine run --image", "--image needs a value: --image IMAGE"],
  [
    "machine run --image --net alpine",
    "--image needs a value: --image IMAGE | if --net is really meant as the value, write --image=--net",
  ],
  ["machine run -e -- env", "-e needs a value: -e NAME[=VALUE]"],
  ["machine run --timings= -- x", "--timings needs a value: --timings FORMAT"],
  ["machine run --tty=yes", "--tty takes no value"],
  ["machine run -i=yes", "-i takes no value"],
  ["machine run --cpus 1 --cpus 2", "--cpus was given twice"],
  ["machine run --cpus 0", "--cpus: must be at least 1, not 0"],
  ["machine run --cpus two", '--cpus: not a whole number: "two"'],
  ["machine run --mem 32", "--mem: memory must be at least 64 MiB (got 32 MiB)"],
  ["machine run --mem 1.0001G", "--mem: must be a whole number of MiB, not 1.0001G"],
  ["machine run --storage 0", "--storage: storage must be at least 1 GiB (got 0 GiB)"],
  ["machine run --timeout 0", "--timeout: must be longer than 0"],
  [
    "machine run --timeout soon",
    '--timeout: not a time span: "soon" | write for example 30s, 5m or 1h30m; a bare number is in seconds',
  ],
  ["machine run --timeout 25d", "--timeout: must be at most 24 days, not 25d"],
  ["machine run -e =x", '--env: the variable has no name: "=x" | write NAME=value'],
  ["machine run -w srv", '--workdir: must be an absolute path in the guest, not "srv"'],
  ["machine run --engine xen", '--engine: must be krun or qemu, not "xen"'],
  ["machine run --oci-platform windows/amd64", "--oci-platform: a machine runs linux, not windows"],
  ["machine run --pull sometimes", '--pull: must be missing or always or never, not "sometimes"'],
  ["machine run --progress=loud", '--progress: must be auto or tty or plain or json or none, not "loud"'],
  ["machine run --max-image-size 0", "--max-image-size: must be at least one byte, not 0"],
  ["machine run --proxy ftp://x", '--proxy: a proxy must be an http or https one, not "ftp"'],
  [
    "machine exec --pull always -- true",
    "unknown option --pull | --pull is an option of `smolvm machine run`",
  ],
  [
    "machine run --oci-cache --image alpine",
    "--oci-cache is not needed: what is pulled is always kept on the host, checked by its digest and shared by " +
      "all machines | leave it out; `smolvm images ls` lists what is kept",
  ],
  [
    "machine run --docker-config --image alpine",
    "--docker-config is not needed: the logins of docker and podman are always used, and nothing of them reaches " +
      "the machine | leave it out; DOCKER_CONFIG says where docker keeps its logins",
  ],
  ["image lss", "unknown command `images lss` | did you mean `smolvm images ls`?"],
  ["images rmi x", "unknown command `images rmi` | did you mean `smolvm images rm`?"],
  ["rmi x", "unknown command `rmi` | did you mean `smolvm images rm`?"],
  ["ps", "unknown command `ps` | did you mean `smolvm machine ls`?"],
  ["machine pull x", "unknown command `machine pull` | did you mean `smolvm images pull`?"],
  ["constructor", "unknown command `constructor` | see `smolvm -h`"],
  ["images rm", "images rm needs IMAGE... | see `smolvm images rm -h`"],
  ["pull", "pull needs IMAGE... | see `smolvm pull -h`"],
  ["push x", "`smolvm push` is not available in this release: images are only downloaded | see `smolvm -h`"],
];

test.each(REFUSED)("%s: %s", async (line, refusal) => {
  expect(await refusalOf(...line.split(" "))).toBe(refusal);
});
