import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultNetwork } from "../model/index.ts";
import { proxyAuthorities, proxyVariables } from "./proxies.ts";

test("the host's proxies, if that was said; one on its loopback is at the gateway", () => {
  const environment = {
    HTTP_PROXY: "http://user:p@ss@127.0.0.1:3128/",
    https_proxy: "localhost:3128",
    ALL_PROXY: "socks5://[::1]:1080",
    HTTPS_PROXY: "http://proxy.test:8080",
    no_proxy: "localhost,127.0.0.1",
    NO_PROXY: "",
  };
  expect(proxyVariables({ network: null }, environment)).toEqual([]);
  expect(proxyVariables({ network: defaultNetwork }, environment)).toEqual([]);
  expect(proxyVariables({ network: { ...defaultNetwork, proxyEnv: true } }, environment)).toEqual([
    "HTTP_PROXY=http://user:p@ss@host.smolvm.internal:3128/",
    "HTTPS_PROXY=http://proxy.test:8080",
    "ALL_PROXY=socks5://host.smolvm.internal:1080",
    "https_proxy=host.smolvm.internal:3128",
    "no_proxy=localhost,127.0.0.1",
  ]);
});

const directory = realpathSync(mkdtempSync(join(tmpdir(), "smolvm-ca-")));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("the host's files of certificates, each once; what names no file is left out", () => {
  const [one, link, two] = ["one.pem", "link.pem", "two.pem"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(one, "1");
  writeFileSync(two, "2");
  symlinkSync(one, link);
  const environment = {
    ...{ SSL_CERT_FILE: link, CURL_CA_BUNDLE: one, NODE_EXTRA_CA_CERTS: two },
    ...{ REQUESTS_CA_BUNDLE: directory, GIT_SSL_CAINFO: join(directory, "gone.pem") },
  };
  expect(proxyAuthorities({ network: defaultNetwork }, environment).volumes).toEqual([]);
  const shared = { isFile: true, readOnly: true, fill: false };
  expect(proxyAuthorities({ network: { ...defaultNetwork, proxyEnv: true } }, environment)).toEqual({
    variables: [
      "SSL_CERT_FILE=/etc/host-ca/1.pem",
      "CURL_CA_BUNDLE=/etc/host-ca/1.pem",
      "NODE_EXTRA_CA_CERTS=/etc/host-ca/2.pem",
    ],
    volumes: [
      { path: one, target: "/etc/host-ca/1.pem", ...shared },
      { path: two, target: "/etc/host-ca/2.pem", ...shared },
    ],
  });
});
