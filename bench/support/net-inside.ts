import { Home } from "../../test/support/home.ts";
import { program } from "../../test/support/program.ts";
import { median } from "./rounds.ts";
import { beginTable, oneLine } from "./table.ts";
import { upstreamEnv, upstreamProgram } from "./upstream-inside.ts";

/** The part of bench/net-lab.ts that runs inside the lab. */

const rounds = Number(process.argv[2] ?? 3);
const PEER = "/project/net-peer";
const NAME = "latency";

const home = new Home();
const contenders = [
  { name: "smolvm", command: program, env: home.env, port: 18_301 },
  { name: "upstream smol-vmm", command: upstreamProgram, env: upstreamEnv, port: 18_302 },
];

/** Runs words for the shell, in which $M is `PROGRAM machine`. @returns what they print. @throws an error with what they said */
async function shell(contender: (typeof contenders)[number], script: string): Promise<string> {
  const child = Bun.spawn(["bash", "-e", "-c", script], {
    env: { ...contender.env, M: `${contender.command} machine` },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [text, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(complaint.trim().split("\n").at(-1) ?? script);
  return text;
}

// The ports are of the loopback, which is not there in the lab until somebody brings it up.
const up = Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
if (up.exitCode !== 0) throw new Error(`ip link set lo up: ${up.stderr}`);

const row = beginTable("krun in the lab: a request through a published port, and its answer", [
  "",
  "requests",
  "median, ms",
  "99th percentile, ms",
  "50 at once, a second",
]);
for (const contender of contenders) {
  const { name, port } = contender;
  try {
    await shell(
      contender,
      `$M create --name ${NAME} --cpus 1 --mem 512 --net --net-backend virtio-net -p ${port}:7
       $M start --name ${NAME}
       $M cp ${PEER} ${NAME}:/root/net-peer
       $M exec --name ${NAME} -- sh -c 'chmod 755 /root/net-peer; /root/net-peer once 7 >/dev/null 2>&1 </dev/null &'`,
    );
    const alone: number[] = [];
    const tails: number[] = [];
    const together: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const ask = async (count: number, atOnce: number) =>
        (await shell(contender, `${PEER} requests 127.0.0.1 ${port} ${count} ${atOnce}`))
          .split(" ")
          .map(Number);
      const [, p50 = Number.NaN, p99 = Number.NaN] = await ask(200, 1);
      const [took = Number.NaN] = await ask(500, 50);
      alone.push(p50);
      tails.push(p99);
      together.push(500_000 / took);
    }
    const figures = [median(alone), median(tails)].map((value) => value.toFixed(2));
    row([name, String(200 * rounds), ...figures, median(together).toFixed(0)]);
  } catch (error) {
    row([name, `failed: ${oneLine(String(error))}`, "", "", ""]);
  } finally {
    await shell(contender, `$M delete -f --name ${NAME}`).catch(() => {});
  }
}
home.remove();
