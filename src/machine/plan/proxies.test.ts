import { expect, test } from "bun:test";
import { defaultNetwork } from "../model/index.ts";
import { proxyVariables } from "./proxies.ts";

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
