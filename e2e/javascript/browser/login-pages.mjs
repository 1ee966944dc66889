// What tests of login pages share: the application that sends people there, pools with a domain, and what people do there.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after } from "node:test";
import { CreateUserPoolDomainCommand } from "@aws-sdk/client-cognito-identity-provider";
import axe from "axe-core";
import * as oidc from "openid-client";
import { createPool, endpoint, freshName, send } from "../support.mjs";

/** A server of the application's; answers its port. */
async function serve(handle) {
  const server = createServer(handle);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

// The application: its callback shows what came back, and another one sends users on to another origin.
const show = (answer) => answer.writeHead(200, { "content-type": "text/html" }).end("<title>back</title>");
export const elsewhere = `http://127.0.0.1:${await serve((_request, answer) => show(answer))}`;
const port = await serve((request, answer) => {
  if (!request.url.startsWith("/onward")) return show(answer);
  answer.writeHead(302, { location: `${elsewhere}/welcome` }).end();
});
export const home = `http://localhost:${port}`;
export const callback = `${home}/callback`;
export const onward = `${home}/onward`;

export const oauth = {
  AllowedOAuthFlowsUserPoolClient: true,
  AllowedOAuthFlows: ["code"],
  AllowedOAuthScopes: ["openid", "email", "aws.cognito.signin.user.admin"],
  CallbackURLs: [callback, onward],
  LogoutURLs: [`${home}/bye`],
  SupportedIdentityProviders: ["COGNITO"],
};

/** A pool with a domain and a client of its login pages; `mfa` is what SetUserPoolMfaConfig is to say. */
export async function poolWithDomain(clientSettings = {}, poolSettings = {}, mfa = undefined) {
  const pool = await createPool({ ...oauth, ...clientSettings }, poolSettings, mfa);
  pool.prefix = freshName("pages");
  await send(CreateUserPoolDomainCommand, { UserPoolId: pool.id, Domain: pool.prefix });
  pool.site = `${endpoint}/_domain/${pool.prefix}`;
  return pool;
}

/** What openid-client finds out by itself. */
export function discover(pool, secret) {
  return oidc.discovery(new URL(pool.issuer), pool.clientId, secret, undefined, {
    execute: [oidc.allowInsecureRequests],
  });
}

/** What an application begins a sign-in with. */
export async function begun(config, more = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: "openid email aws.cognito.signin.user.admin",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...more,
  });
  return { url: url.href, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce } };
}

/** Nothing on the page that assistive technology would stumble over. */
export async function isAccessible(page) {
  // What is evaluated from outside is no script of the page's, which its policy would keep out.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
}

/** The page has put the cursor there itself. */
export const hasCursor = (page, id) => page.locator(`#${id}:focus`).waitFor();

/** Types with the keyboard alone: no script of the page helps. */
export async function signIn(page, username, secret) {
  await page.locator("#signInFormUsername").focus();
  // The page may know the name already.
  await page.keyboard.press("Control+A");
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(secret);
  await page.keyboard.press("Enter");
}

/** The browser is at the application again. */
export const isBack = (page) => page.waitForURL((url) => url.href.startsWith(callback));
