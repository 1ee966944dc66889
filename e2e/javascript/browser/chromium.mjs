// Chromium without a window, the page that it shows, and its virtual authenticators.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const bundled = await build({
  entryPoints: [fileURLToPath(new URL("page.mjs", import.meta.url))],
  bundle: true,
  write: false,
  format: "iife",
  platform: "browser",
  logLevel: "error",
});
const served = new Map([
  ["/", ["text/html; charset=utf-8", '<!doctype html><title>loading</title><script src="/page.js"></script>']],
  ["/page.js", ["text/javascript; charset=utf-8", bundled.outputFiles[0].text]],
]);

const site = createServer((request, answer) => {
  const [type, body] = served.get(request.url) ?? ["text/plain", undefined];
  answer.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));

// Names below localhost are this machine's without asking anybody; pages of theirs are secure contexts without TLS.
assert.ok(process.env.POOLKEEPER_CHROMIUM, "POOLKEEPER_CHROMIUM names the browser's executable file");
const browser = await chromium.launch({ executablePath: process.env.POOLKEEPER_CHROMIUM });

after(async () => {
  await browser.close();
  site.closeAllConnections();
  site.close();
});

/**
 * A tab of its own, as of another person: nothing is shared with others. It shows the page under the name `host`; `app`
 * calls a function of page.mjs.
 */
export async function open(host = "localhost") {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(`http://${host}:${site.address().port}`);
  assert.equal(await page.title(), "ready");
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  return {
    run: (work, given) => page.evaluate(work, given),
    app: (name, ...given) => page.evaluate(([name, given]) => globalThis.app[name](...given), [name, given]),
    authenticator: (options) => authenticator(devtools, options),
    close: () => context.close(),
  };
}

/**
 * An authenticator that is there from now on: built into the machine and verifying whoever uses it, if `options` do not
 * say otherwise.
 */
async function authenticator(devtools, options = {}) {
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  const send = (method, more = {}) => devtools.send(`WebAuthn.${method}`, { authenticatorId, ...more });
  return {
    credentials: async () => (await send("getCredentials")).credentials,
    remember: (credential) => send("addCredential", { credential }),
    forget: (credentialId) => send("removeCredential", { credentialId }),
    verifiesUser: (isUserVerified) => send("setUserVerified", { isUserVerified }),
    unplug: () => send("removeVirtualAuthenticator"),
  };
}

/**
 * A tab of its own that shows nothing yet, as of another person, for pages of the server; `obeys` is whether their policy
 * counts.
 */
export async function browse({ obeys = false } = {}) {
  // Pages are looked at by a script that their own policy would keep out.
  const context = await browser.newContext({ bypassCSP: !obeys });
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  return { page, close: () => context.close() };
}
