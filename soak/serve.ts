/**
 * Somebody else's judge of the HTTP API: schemathesis reads the server's OpenAPI document and asks what it allows and
 * what it forbids, first each operation on a machine that runs, then sequences of operations. And a real browser opens
 * the page for people.
 *
 *     ./dev soak serve [SECONDS]
 *
 * A failure names the seed, and the request as a line for curl.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cacheRoot } from "../build/host.ts";
import { Api } from "../test/serve/api.ts";
import { Machines } from "../test/support/machines.ts";
import { startCraneRegistry } from "../test/support/registry/index.ts";
import { descriptorsOf } from "./support/host.ts";
import { countOr, say, soak } from "./support/options.ts";
import { lookAtPage } from "./support/page.ts";

/** Of each of the two runs. */
const SECONDS = countOr(180);

/**
 * The server's limit of a request. Sequences start many machines at once: without virtualization, beside other work, a start
 * has taken more than 30 s, which is the host's fault and not the server's.
 */
const SERVER_SECONDS = 120;
/** The judge's own limit, which is 10 s by default: it has to hear the server's answer to what took too long. */
const JUDGE_SECONDS = SERVER_SECONDS + 30;

/** Descriptors that a server may have more at its end: connections that were kept, and what is about to be closed. */
const SLACK_DESCRIPTORS = 16;

/** They take as long as they are told to, or never end. */
const ENDLESS = ["waitForMachine", "logs", "events", "allEvents"];

/** A host without room is an answer (507) only of what starts a machine, or writes disks, files of a guest, images or volumes. */
const WRITERS = [
  ...["createMachine", "cloneMachine", "startMachine", "restartMachine", "commitMachine", "createVolume"],
  // They start a machine that does not run.
  ...["exec", "execStream", "execInteractive", "execProcess", "runInImage"],
  ...["writeFile", "readFile", "writeArchive", "readArchive"],
  ...["pullImage", "pullImageStream", "pullMachineImage"],
];

/** A registry that cannot be reached is a 502, and no failure of the server. */
const FINE = ["2xx", "3xx", "4xx", "502"];

/** What the judge's file says about checks; each list is TOML as it is JSON. */
const CHECKS = `[checks.not_a_server_error]
expected-statuses = ${JSON.stringify(FINE)}

[[operations]]
include-operation-id = ${JSON.stringify(WRITERS)}
checks.not_a_server_error.expected-statuses = ${JSON.stringify([...FINE, "507"])}

`;

const home = new Machines();

async function judge(api: Api, parameters: string, words: readonly string[]): Promise<void> {
  const config = `${home.path}/schemathesis.toml`;
  writeFileSync(config, CHECKS + parameters);
  const seed = crypto.getRandomValues(new Uint32Array(1))[0];
  const options = [
    ...["--checks", "all", "--continue-on-failure", "--seed", String(seed), "--no-color"],
    // What a schema cannot say (a range of addresses, a command that is there) is refused with 400 all the same.
    ...["--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all"],
    ...["--max-time", String(SECONDS), "--request-timeout", String(JUDGE_SECONDS), "--max-examples", "20"],
    ...ENDLESS.flatMap((id) => ["--exclude-operation-id", id]),
  ];
  const program = ["/usr/bin/python3", "-m", "schemathesis.cli", "--config-file", config, "run"];
  const child = Bun.spawn([...program, `${api.url}/api-docs/openapi.json`, ...options, ...words], {
    env: { ...home.env, NO_PROXY: "*", PYTHONPATH: `${cacheRoot()}/schemathesis` },
    cwd: home.path,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) throw new Error("schemathesis found something, or did not run");
  if (!(await fetch(`${api.url}/health`)).ok) throw new Error("the server is not well");
}

await soak(async () => {
  // Names that were made up lead to a registry that has nothing, and to no network.
  const registry = await startCraneRegistry();
  const settings = `${home.path}/config.toml`;
  writeFileSync(settings, `[images]\ndefault_registry = "${registry.host}"\n`, { mode: 0o600 });
  const nowhere = "http://127.0.0.1:1";
  Object.assign(home.env, { SMOLVM_CONFIG: settings, HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere });
  home.env.NO_PROXY = registry.host;
  mkdirSync(`${home.path}/shared`);
  const options = ["--allow-mount", `${home.path}/shared`, "--request-timeout", `${SERVER_SECONDS}s`];
  const api = await Api.start(home, options);
  try {
    say(`operations on the page: ${await lookAtPage(api.url)}`);
    const mounts = [
      { source: `${home.path}/shared`, target: "/src", overlay: true },
      { source: "data", target: "/data" },
    ];
    const json = { name: "box", cpus: 1, memoryMb: 256, overlayGb: 2, storageGb: 1, mounts };
    await api.ask("POST", "/api/v1/machines", { json });
    await api.ask("POST", "/api/v1/machines/box/start");
    const before = descriptorsOf(api.pid);
    const running = ["--phases", "coverage,fuzzing", "--exclude-operation-id", "deleteMachine"];
    await judge(api, '[parameters]\nname = "box"\nvolume = "data"\n', running);
    await judge(api, "", ["--phases", "stateful"]);
    await home.deleteAll();
    const after = descriptorsOf(api.pid);
    say(`descriptors of the server: ${before} before, ${after} after`);
    if (after > before + SLACK_DESCRIPTORS) throw new Error("the server's descriptors grow");
  } finally {
    await api.stop();
    await registry.stop();
    await home.deleteAll();
    home.remove();
  }
});
