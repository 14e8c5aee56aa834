/**
 * A folder of the host under programs that people run in one: git with a real repository, whose `gc` is killed with its
 * machine; an archive of many small files, as npm unpacks it; and a directory tree of a million names.
 *
 *     ./dev soak volumes [NAMES]
 *
 * The host's own git and diff judge what is left.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { debianImage } from "../test/support/debian.ts";
import { fileServers } from "../test/support/file-servers.ts";
import { Machines } from "../test/support/machines.ts";
import { Talking, until } from "../test/support/process.ts";
import { countOr, say, soak } from "./support/options.ts";

const NAMES = countOr(1_000_000);
const PER_DIRECTORY = 1000;
const PACKAGES = 400;
const FILES_IN_PACKAGE = 50;
/** Of one command under emulation. */
const LIMIT_SECONDS = 1800;
/** What a file server may have at most: 512 MiB for what guests know, and itself (docs/volumes.md). */
const MOST_MIB = 900;

const checkout = new URL("..", import.meta.url).pathname;
const home = new Machines();
const folder = `${home.path}/folder`;

const onHost = (command: string, ...words: string[]): string =>
  execFileSync(command, words, { maxBuffer: 2 ** 28 }).toString();
const hostGit = (...words: string[]): string =>
  // Root of the guest is somebody else here.
  onHost("git", "-c", "safe.directory=*", "-C", `${folder}/clone`, ...words);

async function inGuest(script: string): Promise<string> {
  const words = ["exec", "box", "--", "sh", "-ec", `export HOME=/root; cd /f; ${script}`];
  const { exitCode, output, stderr } = await home.machine(words, { seconds: LIMIT_SECONDS });
  if (exitCode !== 0) throw new Error(`${script}: ${exitCode}: ${output}${stderr}`);
  return output;
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  say(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

function same(what: string, one: unknown, other: unknown): void {
  if (one !== other) throw new Error(`${what}: ${JSON.stringify(one)} is not ${JSON.stringify(other)}`);
}

async function git(): Promise<void> {
  onHost("git", "clone", "-q", "--mirror", checkout, `${folder}/source.git`);
  await inGuest("git config --global --add safe.directory '*'; git config --global gc.auto 0");
  await timed("git clone", () => inGuest("git clone -q --no-local source.git clone"));
  same("git status", await timed("git status", () => inGuest("git -C clone status --porcelain")), "");
  const commit = "git -C clone -c user.name=x -c user.email=x@localhost commit -q --allow-empty -m";
  await inGuest(`for i in $(seq 20); do echo $i > clone/new$i; git -C clone add new$i; ${commit} $i; done`);
  const head = (await inGuest("git -C clone rev-parse HEAD")).trim();
  for (const delay of [500, 2000, 5000]) {
    const words = ["exec", "box", "--", "sh", "-c", "echo on; cd /f/clone && git gc --quiet --prune=now"];
    const gc = new Talking(home.start(["machine", ...words]));
    await gc.line();
    await Bun.sleep(delay);
    process.kill(home.processOf("box"), "SIGKILL");
    await gc.child.exited;
    await until("the machine's end", () => !onHost("ps", "-eo", "args").includes(home.path));
    onHost("find", `${folder}/clone/.git`, "-name", "*.lock", "-delete");
    hostGit("fsck", "--full", "--strict");
    same("HEAD after a kill", hostGit("rev-parse", "HEAD").trim(), head);
    await home.ok("start", "box");
  }
  await inGuest("rm -f clone/.git/gc.pid");
  await timed("git gc", () => inGuest("git -C clone gc --quiet --prune=now"));
  await timed("git fsck", () => inGuest("git -C clone fsck --full"));
  hostGit("fsck", "--full", "--strict");
  same("the host's git status", hostGit("status", "--porcelain"), "");
}

/** Directories in each other, small files, and links to programs, as in node_modules. */
async function unpack(): Promise<void> {
  const tree = `${home.path}/tree`;
  mkdirSync(`${tree}/.bin`, { recursive: true });
  for (let number = 0; number < PACKAGES; number++) {
    const lib = `${tree}/@scope/package-${number}/lib/deep`;
    mkdirSync(lib, { recursive: true });
    for (let file = 0; file < FILES_IN_PACKAGE; file++)
      writeFileSync(`${lib}/${file}.js`, `export default ${number * file};\n`.repeat(1 + (file % 40)));
    onHost("ln", "-s", `../@scope/package-${number}/lib/deep/0.js`, `${tree}/.bin/program-${number}`);
  }
  onHost("tar", "-czf", `${folder}/tree.tgz`, "-C", tree, ".");
  await timed(`unpack ${PACKAGES * FILES_IN_PACKAGE} files`, () =>
    inGuest("mkdir node_modules && tar -xzf tree.tgz -C node_modules"),
  );
  onHost("diff", "-r", "--no-dereference", tree, `${folder}/node_modules`);
  await timed("remove them", () => inGuest("rm -r node_modules"));
}

async function names(): Promise<void> {
  const many = `${folder}/many`;
  mkdirSync(many);
  const script = `for d in $(seq ${Math.ceil(NAMES / PER_DIRECTORY)}); do mkdir $d; (cd $d; seq ${PER_DIRECTORY} | xargs touch); done`;
  execFileSync("sh", ["-ec", script], { cwd: many });
  const count = Math.ceil(NAMES / PER_DIRECTORY) * PER_DIRECTORY;
  for (const round of ["first", "second"]) {
    const find = () => inGuest("find many -type f -size -1 | wc -l");
    same("names", (await timed(`find ${count} names, the ${round} time`, find)).trim(), `${count}`);
  }
  const [server = 0] = fileServers(home.processOf("box"));
  const [, kib = "0"] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${server}/status`, "utf8")) ?? [];
  say(`the file server has had ${Math.round(Number(kib) / 1024)} MiB`);
  if (Number(kib) / 1024 > MOST_MIB) throw new Error(`the file server has had more than ${MOST_MIB} MiB`);
  same("a new name", await inGuest("echo new > many/1/new; cat many/1/new"), "new\n");
}

void soak(async () => {
  const image = await debianImage(["git"]);
  mkdirSync(folder);
  await home.ok("create", "box", "--image", image, "--cpus", "1", "--mem", "1024", "-v", `${folder}:/f`);
  await home.ok("start", "box");
  try {
    await git();
    await unpack();
    await names();
    await home.deleteAll();
    await home.expectNothingLeft();
  } finally {
    home.remove();
  }
});
