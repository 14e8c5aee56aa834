import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { base64, CANARY, CredentialHome } from "./credentials.fixture.ts";

/** The files that `skopeo login` (podman's code) writes are understood as skopeo understands them. */

const ada = { username: "ada", password: `${CANARY}:with:colons` };

let home: CredentialHome;
let registry: Bun.Server<undefined>;
let host: string;

beforeEach(() => {
  home = new CredentialHome();
  mkdirSync(`${home.path}/run`);
  registry = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch({ headers }) {
      if (headers.get("authorization") === `Basic ${base64(`${ada.username}:${ada.password}`)}`) {
        return new Response("{}");
      }
      return new Response("{}", { status: 401, headers: { "WWW-Authenticate": 'Basic realm="test"' } });
    },
  });
  host = `127.0.0.1:${registry.port}`;
});

afterEach(async () => {
  await registry.stop(true);
  home.remove();
});

async function skopeo(...words: string[]): Promise<void> {
  if (Bun.which("skopeo") === null) throw new Error("this test needs skopeo: apt-get install skopeo");
  const child = Bun.spawn(["skopeo", ...words], { env: home.env, stdout: "pipe", stderr: "pipe" });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`skopeo ${words[0]}: ${stderr}`);
}

const login = (scope: string) =>
  skopeo("login", "--tls-verify=false", "-u", ada.username, "-p", ada.password, scope);

test("for a registry", async () => {
  await login(host);
  expect(readFileSync(`${home.path}/run/containers/auth.json`, "utf8")).toContain(host);
  expect(await home.find(host, "team/app")).toEqual(ada);
  expect(await home.find("127.0.0.1")).toBeUndefined();
});

test("for a repository", async () => {
  await login(`${host}/team/app`);
  expect(await home.find(host, "team/app")).toEqual(ada);
  expect(await home.find(host, "team/app/more")).toEqual(ada);
  expect(await home.find(host, "team")).toBeUndefined();
  expect(await home.find(host)).toBeUndefined();
});

test("through a credential helper", async () => {
  home.helper(
    "file",
    `case $1 in
       store) cat > "$HOME/kept" ;;
       get)
         cat > /dev/null
         [ -e "$HOME/kept" ] && exec cat "$HOME/kept"
         echo credentials not found in native keychain
         exit 1 ;;
       list) echo '{}' ;;
     esac`,
  );
  home.write("run/containers/auth.json", { credHelpers: { [host]: "file" } });
  await login(host);
  expect(readFileSync(`${home.path}/kept`, "utf8")).toContain(CANARY);
  expect(readFileSync(`${home.path}/run/containers/auth.json`, "utf8")).not.toContain(base64(ada.username));
  expect(await home.find(host)).toEqual(ada);
});
