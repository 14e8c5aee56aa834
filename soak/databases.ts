/**
 * PostgreSQL and SQLite over power cuts: kill -9 of the VMM while a client commits, on the overlay and on the storage
 * disk at once.
 *
 *     ./dev soak databases [CUTS]
 *
 * The guest says each row's number when its commit has been confirmed. After each cut and start, every row that was said
 * is there, and SQLite finds nothing wrong with its file; PostgreSQL recovers by itself or does not come up.
 */
import { debianImage } from "../test/support/debian.ts";
import { Machines } from "../test/support/machines.ts";
import { Talking } from "../test/support/process.ts";
import { seededRandom } from "../test/support/random.ts";
import { countOr, say, soak } from "./support/options.ts";

const CUTS = countOr(20);
/** Both databases are on both disks. */
const PLACES = ["/var/db", "/storage/db"] as const;
const START_SECONDS = 180;
/** How long a client commits before the cut, in milliseconds: at least, and at most. */
const COMMITTING_MS = { least: 1500, most: 6000 };

/** The programs of Debian's package are in no PATH. */
const POSTGRES = "PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)";
const port = (place: string) => 5432 + PLACES.indexOf(place as (typeof PLACES)[number]);

const setUp = (place: string) => `
set -e
${POSTGRES}
mkdir -p ${place}/sqlite ${place}/pg
sqlite3 ${place}/sqlite/rows.db "pragma journal_mode=wal; create table rows (n integer primary key)" >/dev/null
chown postgres ${place}/pg
su postgres -s /bin/sh -c '${POSTGRES}; initdb -A trust -D ${place}/pg/data >/dev/null'
`;

const startServer = (place: string) => `
su postgres -s /bin/sh -c '${POSTGRES}; pg_ctl -w -t 120 -D ${place}/pg/data -o "-p ${port(place)} -k /tmp" -l ${place}/pg/log start' >/dev/null || { cat ${place}/pg/log; exit 1; }
psql -q -h /tmp -p ${port(place)} -U postgres -c "create table if not exists rows (n integer primary key)" 2>/dev/null
`;

/** Commits rows one by one behind these, and says which when it is confirmed: `DATABASE PLACE NUMBER`. */
const commit = (place: string, behind: { readonly sqlite: number; readonly postgres: number }) => `
(n=${behind.sqlite}; while :; do n=$((n+1))
  sqlite3 ${place}/sqlite/rows.db "pragma synchronous=full; insert into rows values ($n)" || exit
  echo sqlite ${place} $n; done) &
(n=${behind.postgres}; while :; do n=$((n+1))
  psql -q -h /tmp -p ${port(place)} -U postgres -c "insert into rows values ($n)" || exit
  echo postgres ${place} $n; done) &
`;

await soak(async () => {
  const random = seededRandom("databases");
  const image = await debianImage(["postgresql", "sqlite3"]);
  const home = new Machines();
  const confirmed = new Map<string, number>();
  const keyOf = (database: string, place: string) => `${database} ${place}`;
  const ok = async (...words: string[]) => {
    const { exitCode, output, stderr } = await home.machine(words, { seconds: START_SECONDS });
    if (exitCode !== 0) throw new Error(`machine ${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
    return output;
  };
  const inside = (script: string) => ok("exec", "db", "--", "sh", "-c", script);
  try {
    const size = ["--cpus", "1", "--mem", "768", "--overlay", "2", "--storage", "2"];
    await ok("create", "db", "--image", image, ...size, "--", "sleep", "infinity");
    await ok("start", "db");
    for (const place of PLACES) await inside(setUp(place));
    let rows = 0;
    for (let cut = 0; cut <= CUTS; cut++) {
      for (const place of PLACES) {
        await inside(startServer(place));
        await check(place);
      }
      if (cut === CUTS) break;
      rows += await commitUntilCut();
      say(`cut ${cut + 1}: ${rows} confirmed commits so far`);
      await ok("start", "db");
    }
    await ok("delete", "-f", "db");
    await home.expectNothingLeft();
  } finally {
    home.remove();
  }

  /** Every confirmed row is there; nothing is wrong with the files. */
  async function check(place: string): Promise<void> {
    const integrity = await inside(`sqlite3 ${place}/sqlite/rows.db "pragma integrity_check"`);
    if (integrity.trim() !== "ok") throw new Error(`sqlite ${place}: ${integrity}`);
    const count = "select count(*), coalesce(max(n), 0) from rows";
    const sqlite = await inside(`sqlite3 -separator ' ' ${place}/sqlite/rows.db "${count}"`);
    const query = `psql -At -F ' ' -h /tmp -p ${port(place)} -U postgres -c "${count}"`;
    const postgres = await inside(query);
    for (const [database, answer] of [
      ["sqlite", sqlite],
      ["postgres", postgres],
    ] as const) {
      const [there = 0, last = 0] = answer.trim().split(" ").map(Number);
      const expected = confirmed.get(keyOf(database, place)) ?? 0;
      // Rows are numbered without gaps, so that as many as the last number says are all of them.
      if (last < expected || there !== last)
        throw new Error(`${database} ${place}: ${there} rows up to ${last}, and ${expected} were confirmed`);
      confirmed.set(keyOf(database, place), last);
    }
  }

  /** @returns how many commits were confirmed before the VM lost its power */
  async function commitUntilCut(): Promise<number> {
    const last = (database: string, place: string) => confirmed.get(keyOf(database, place)) ?? 0;
    const scripts = PLACES.map((place) =>
      commit(place, { sqlite: last("sqlite", place), postgres: last("postgres", place) }),
    );
    const child = home.start(["machine", "exec", "db", "--", "sh", "-c", `${scripts.join("")}wait`]);
    const talking = new Talking(child);
    let said = 0;
    const hearing = (async () => {
      for (;;) {
        const [database = "", place = "", number] = (await talking.line()).split(" ");
        confirmed.set(keyOf(database, place), Number(number));
        said++;
      }
    })().catch(() => {});
    await Bun.sleep(COMMITTING_MS.least + random() * (COMMITTING_MS.most - COMMITTING_MS.least));
    await home.powerCut("db");
    await child.exited;
    await hearing;
    return said;
  }
});
