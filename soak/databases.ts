/**
 * PostgreSQL and SQLite (Debian's) keep every committed transaction over power cuts: on both disks of a machine, in a
 * folder of the host and in a volume. Before every third cut the file server of those two is killed under them.
 *
 *     ./dev soak databases [CUTS]
 *
 * Writers in the guest say which transactions are committed; then the VM loses its power. Afterwards every one of them
 * is there, none is there in part, and the databases find nothing wrong with themselves.
 */
import { mkdirSync } from "node:fs";
import { debianImage } from "../test/support/debian.ts";
import { fileServers } from "../test/support/file-servers.ts";
import { Machines } from "../test/support/machines.ts";
import { Talking, until } from "../test/support/process.ts";
import { seededRandom } from "../test/support/random.ts";
import { fsckComplaints } from "./support/host.ts";
import { countOr, say, soak } from "./support/options.ts";

const CUTS = countOr(20);
/** Of a start under emulation, of a recovery, of a look at each line. */
const LIMIT_SECONDS = 300;
/** How long writers write at most before the cut. */
const LONGEST_MS = 8000;

const home = new Machines();
const random = seededRandom("power cuts");

/** Words that bank.py understands, and how many transactions it has confirmed to us. */
interface Database {
  readonly what: string;
  readonly words: readonly string[];
  confirmed: number;
}

/** Of two users: a server that finds its old process number at another server of its own takes that for itself. */
const servers = [
  { directory: "/var/pg", user: "postgres" },
  { directory: "/storage/pg", user: "backup" },
  { directory: "/folder/pg", user: "www-data" },
] as const;

const databases: Database[] = [
  { what: "SQLite, WAL, overlay", words: ["sqlite", "/var/lib/lite.db", "wal"], confirmed: 0 },
  { what: "SQLite, journal, storage", words: ["sqlite", "/storage/lite.db", "delete"], confirmed: 0 },
  { what: "SQLite, WAL, volume", words: ["sqlite", "/volume/lite.db", "wal"], confirmed: 0 },
  ...servers.map(({ directory, user }) => ({
    what: `PostgreSQL, ${directory}`,
    words: ["postgresql", directory, user],
    confirmed: 0,
  })),
];

async function run(words: readonly string[], options: readonly string[] = []): Promise<string> {
  const all = ["exec", ...options, "db", "--", ...words];
  const { exitCode, output, stderr } = await home.machine(all, { seconds: LIMIT_SECONDS });
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
  return output;
}

const bank = (action: string, { words }: Database) => run(["python3", "/root/bank.py", action, ...words]);

const postgres = (user: string, words: string) =>
  run(["sh", "-c", `PATH=$PATH:$(echo /usr/lib/postgresql/*/bin); exec ${words}`], ["-u", user]);

async function startServers(): Promise<void> {
  for (const { directory, user } of servers) {
    const settings = `-c listen_addresses= -c unix_socket_directories=${directory} -c shared_buffers=16MB`;
    await postgres(
      user,
      `pg_ctl -D ${directory}/data -l ${directory}/log -w -t ${LIMIT_SECONDS} -o "${settings}" start`,
    );
  }
}

async function prepare(): Promise<void> {
  const image = await debianImage(["postgresql", "sqlite3", "python3", "python3-psycopg2"]);
  const folder = `${home.path}/folder`;
  mkdirSync(folder);
  const size = ["--cpus", "1", "--mem", "1024"];
  const shared = ["-v", `${folder}:/folder`, "-v", "bank:/volume"];
  await home.ok("create", "db", "--image", image, ...size, ...shared, "--", "sleep", "infinity");
  await start();
  const program = await Bun.file(new URL("support/bank.py", import.meta.url)).text();
  await run(["sh", "-c", 'printf %s "$1" > /root/bank.py; sync', "sh", program]);
  for (const { directory, user } of servers) {
    await run(["install", "-d", "-o", user, directory]);
    await postgres(user, `initdb -D ${directory}/data --data-checksums -A trust -U ${user} > /dev/null`);
  }
  await startServers();
  for (const database of databases) await bank("make", database);
}

/** @returns what the start had to say */
async function start(): Promise<string> {
  const { exitCode, output, stderr } = await home.machine(["start", "db"], { seconds: LIMIT_SECONDS });
  if (exitCode !== 0) throw new Error(`start: ${exitCode}: ${output}${stderr}`);
  return stderr.trim();
}

/** Writes until the power is gone. @returns how many transactions were confirmed */
async function writeAndCut(killFiles: boolean): Promise<number> {
  const writers = databases.map((database) => {
    const words = ["machine", "exec", "db", "--", "python3", "/root/bank.py", "write", ...database.words];
    return { database, talking: new Talking(home.start(words)), lines: 0 };
  });
  const heard = writers.map(async (writer) => {
    try {
      for (;;) {
        writer.database.confirmed = Number(await writer.talking.line());
        writer.lines++;
      }
    } catch {
      // The machine is gone.
    }
  });
  await until("all to write", () => writers.every(({ lines }) => lines > 0), LIMIT_SECONDS);
  await Bun.sleep(random() * LONGEST_MS);
  if (killFiles) for (const pid of fileServers(home.processOf("db"))) process.kill(pid, "SIGKILL");
  await home.powerCut("db");
  await Promise.all(heard);
  return writers.reduce((sum, { lines }) => sum + lines, 0);
}

async function check(): Promise<void> {
  for (const database of databases) {
    const found = (await bank("check", database)).trim();
    const count = Number(found);
    if (!(count >= database.confirmed))
      throw new Error(`${database.what}: ${database.confirmed} were confirmed; found: ${found}`);
    database.confirmed = count;
  }
}

async function finish(): Promise<void> {
  for (const { directory, user } of servers) {
    await postgres(user, `pg_ctl -D ${directory}/data -w -m fast stop`);
    await postgres(user, `pg_checksums --check -D ${directory}/data > /dev/null`);
  }
  await home.ok("stop", "db");
  for (const disk of ["overlay", "storage"]) {
    const complaint = fsckComplaints(`${home.directoryOf("db")}/data/${disk}.ext4`);
    if (complaint !== undefined) throw new Error(complaint);
  }
  await home.deleteAll();
  await home.expectNothingLeft();
}

await soak(async () => {
  try {
    await prepare();
    let confirmed = 0;
    for (let cut = 1; cut <= CUTS; cut++) {
      const now = await writeAndCut(cut % 3 === 0);
      confirmed += now;
      const begun = performance.now();
      const note = await start();
      await startServers();
      const seconds = Math.round((performance.now() - begun) / 1000);
      await check();
      say(`cut ${cut}: ${now} transactions confirmed, all there; up again in ${seconds} s; ${note}`);
    }
    for (const { what, confirmed: lines } of databases) say(`${what}: ${lines} transactions`);
    say(`${confirmed} transactions confirmed before ${CUTS} power cuts`);
    await finish();
  } finally {
    await home.deleteAll();
    home.remove();
  }
});
