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
  ["/", ["text/html; charset=utf-8", '<!doctype html><title>loading</title><link rel="icon" href="data:,"><script src="/page.js"></script>']],
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
 * A tab of its own, as of another person: nothing is shared with others. `complaints` are the errors in its console, where
 * browsers report what the policy of a page keeps out.
 */
async function tab() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${message.location().url}: ${message.text()}`);
  });
  return { context, page, complaints };
}

/**
 * A tab that shows the page under the name `host`; `app` calls a function of page.mjs. It may go on to pages of the server,
 * with its authenticators.
 */
export async function open(host = "localhost") {
  const { context, page, complaints } = await tab();
  await page.goto(`http://${host}:${site.address().port}`);
  assert.equal(await page.title(), "ready");
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  return {
    page,
    complaints,
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
    isTouched: (enabled) => send("setAutomaticPresenceSimulation", { enabled }),
    unplug: () => send("removeVirtualAuthenticator"),
  };
}

/** A tab that shows nothing yet, for pages of the server; nothing on them may have been complained of when it is closed. */
export async function browse() {
  const { context, page, complaints } = await tab();
  const close = async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  };
  return { page, complaints, close };
}
