import { afterAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { NAMESPACE, releaseKey, sshSignature } from "./signature.ts";

/** OpenSSL and OpenSSH are the judges. */

const work = mkdtempSync(`${tmpdir()}/smolvm-signature-`);
afterAll(() => rmSync(work, { recursive: true }));

const { privateKey } = generateKeyPairSync("ed25519");
const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const key = releaseKey(pem);
const message = Buffer.from("abc  smolvm-1.2.3-linux-amd64.tar.gz\n");

function judge(command: string[], input: Uint8Array): number {
  return Bun.spawnSync(command, { cwd: work, stdin: input, stdout: "ignore", stderr: "ignore" }).exitCode;
}

const changed = Buffer.from(message.toString().replace("abc", "abd"));

test("openssl verifies it, and nothing else under it", () => {
  writeFileSync(`${work}/key.pem`, `-----BEGIN PUBLIC KEY-----\n${key.pem}\n-----END PUBLIC KEY-----\n`);
  writeFileSync(`${work}/sig`, key.sign(message));
  writeFileSync(`${work}/right`, message);
  writeFileSync(`${work}/wrong`, changed);
  const verify = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -sigfile sig -in".split(" ");
  expect(judge([...verify, "right"], Buffer.alloc(0))).toBe(0);
  expect(judge([...verify, "wrong"], Buffer.alloc(0))).toBe(1);
});

test("ssh-keygen verifies it, for its own purpose only", () => {
  writeFileSync(`${work}/signers`, `smolvm ssh-ed25519 ${key.ssh}\n`);
  writeFileSync(`${work}/sshsig`, sshSignature(key, message));
  const verify = (purpose: string) =>
    `ssh-keygen -Y verify -q -f signers -I smolvm -n ${purpose} -s sshsig`.split(" ");
  expect(judge(verify(NAMESPACE), message)).toBe(0);
  expect(judge(verify(NAMESPACE), changed)).toBe(255);
  expect(judge(verify("git"), message)).toBe(255);
});

test("another kind of key is refused", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  expect(() => releaseKey(rsa.export({ type: "pkcs8", format: "pem" }) as string)).toThrow("ed25519");
});
