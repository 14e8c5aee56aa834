import fc from "fast-check";

/** The keys, written down once more: what the schema lets through is held against this. */
export const KEYS: Readonly<Record<string, string>> = {
  "": "image oci_platform entrypoint cmd env workdir user init init_once stop_signal stop_timeout reaper labels cpus memory storage overlay pids disk_bps mitigations ttl idle_timeout on_timeout net ports volumes gpu gpu_vram rosetta cuda auto_graph docker_socket dev artifact pack network health restart auth fork service secrets",
  dev: "volumes ports init init_once env workdir",
  artifact: "cpus memory entrypoint cmd oci_platform",
  pack: "cpus memory entrypoint cmd oci_platform",
  network: "allow_hosts allow_cidrs",
  health: "exec interval timeout retries startup_grace",
  restart: "policy max_retries max_backoff",
  auth: "ssh_agent ssh_agent_keys",
  fork: "enabled pool_size cuda_vram_limit_mib",
  service: "port listen protocol",
};

const words = Object.values(KEYS).flatMap((keys) => keys.split(" "));

/** Keys, known and unknown. */
export const names = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...words) },
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "x",
    "from_env",
    "from_file",
    "TOKEN",
    "cpu",
    "restrat",
  ),
  fc.string({ unit: "grapheme", maxLength: 5 }),
);

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    ...["80:80", ".:/x", "alpine", "always", "10s", "2G", "/a", "10.0.0.0/8", "linux/amd64"],
  ),
  fc.constantFrom<unknown>(
    "A=1",
    "SIGINT",
    "stop",
    "99999999999999999999h",
    "5x",
    "",
    " ",
    "HOME",
    new Date(0),
  ),
  fc.string({ unit: "binary", maxLength: 6 }).map((text) => text.replaceAll(/[\uD800-\uDFFF]/g, "")),
  fc.integer({ min: -2, max: 300 }),
  fc.double(),
  fc.boolean(),
);

/** Some values of known keys, one of which most keys take. */
export const pairs = fc.tuple(
  fc.constantFrom(
    ...Object.entries(KEYS).flatMap(([section, keys]) => keys.split(" ").map((key) => [section, key])),
  ),
  fc.oneof(leaf, fc.array(leaf, { maxLength: 2 })),
);

/** Documents of tables and values that TOML can hold. */
export const documents = fc.letrec<{ table: Record<string, unknown>; value: unknown }>((tie) => ({
  table: fc.dictionary(names, tie("value"), { maxKeys: 6 }),
  value: fc.oneof({ maxDepth: 3 }, leaf, leaf, fc.array(leaf, { maxLength: 3 }), tie("table")),
})).table;
