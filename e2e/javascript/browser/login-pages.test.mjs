// Login pages in a browser, as people see them, and the OAuth2 endpoints through openid-client, as applications call them.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import {
  AdminListUserAuthEventsCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolDomainCommand,
  GetUserCommand,
  ListUserSessionsCommand,
  SetUserPoolSessionConfigurationCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import axe from "axe-core";
import * as oidc from "openid-client";
import { confirmedUser, createPool, endpoint, freshName, newPassword, nextCode, password, send } from "../support.mjs";
import { browse } from "./chromium.mjs";

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
const elsewhere = `http://127.0.0.1:${await serve((_request, answer) => show(answer))}`;
const port = await serve((request, answer) => {
  if (!request.url.startsWith("/onward")) return show(answer);
  answer.writeHead(302, { location: `${elsewhere}/welcome` }).end();
});
const home = `http://localhost:${port}`;
const callback = `${home}/callback`;
const onward = `${home}/onward`;

const oauth = {
  AllowedOAuthFlowsUserPoolClient: true,
  AllowedOAuthFlows: ["code"],
  AllowedOAuthScopes: ["openid", "email", "aws.cognito.signin.user.admin"],
  CallbackURLs: [callback, onward],
  LogoutURLs: [`${home}/bye`],
  SupportedIdentityProviders: ["COGNITO"],
};

/** A pool with a domain and a client of its login pages. */
async function poolWithDomain(clientSettings = {}, poolSettings = {}) {
  const pool = await createPool({ ...oauth, ...clientSettings }, poolSettings);
  pool.prefix = freshName("pages");
  await send(CreateUserPoolDomainCommand, { UserPoolId: pool.id, Domain: pool.prefix });
  pool.site = `${endpoint}/_domain/${pool.prefix}`;
  return pool;
}

/** What openid-client finds out by itself. */
function discover(pool, secret) {
  return oidc.discovery(new URL(pool.issuer), pool.clientId, secret, undefined, {
    execute: [oidc.allowInsecureRequests],
  });
}

/** What an application begins a sign-in with. */
async function begun(config, more = {}) {
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
async function isAccessible(page) {
  await page.addScriptTag({ content: axe.source });
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
}

/** Types with the keyboard alone: no script of the page helps. */
async function signIn(page, username, secret) {
  await page.locator("#signInFormUsername").focus();
  // The page may know the name already.
  await page.keyboard.press("Control+A");
  await page.keyboard.type(username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(secret);
  await page.keyboard.press("Enter");
}

const isBack = (page) => page.waitForURL((url) => url.href.startsWith(callback));

test("a person signs in with the keyboard, and the application gets tokens that openid-client takes", async () => {
  const pool = await poolWithDomain();
  const username = await confirmedUser(pool, "pages");
  const config = await discover(pool);
  assert.equal(config.serverMetadata().authorization_endpoint, `${pool.site}/oauth2/authorize`);
  const { url, checks } = await begun(config);
  const { page, close } = await browse();
  await page.goto(url);
  assert.ok(page.url().startsWith(`${pool.site}/login?`));
  await isAccessible(page);

  await signIn(page, username, "Wrong-password-1");
  assert.equal(await page.getByRole("alert").innerText(), "Incorrect username or password.");
  await isAccessible(page);
  await signIn(page, username, password);
  await isBack(page);

  const tokens = await oidc.authorizationCodeGrant(config, new URL(page.url()), checks);
  const claims = tokens.claims();
  assert.equal(claims.email, `${username}@example.com`);
  assert.equal(claims["cognito:username"], username);
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.deepEqual([info.username, info.email_verified], [username, "true"]);
  assert.equal((await send(GetUserCommand, { AccessToken: tokens.access_token })).Username, username);

  // A code is good once; the tokens stay.
  await assert.rejects(oidc.authorizationCodeGrant(config, new URL(page.url()), checks), { error: "invalid_grant" });
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(refreshed.claims().sub, claims.sub);
  await oidc.tokenRevocation(config, tokens.refresh_token);
  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
  await close();
});

test("an application may send who has signed in on to another origin", async () => {
  const pool = await poolWithDomain();
  const username = await confirmedUser(pool, "onward");
  const { url } = await begun(await discover(pool), { redirect_uri: onward });
  const { page, close } = await browse({ obeys: true });
  await page.goto(url);
  await signIn(page, username, password);
  await page.waitForURL(`${elsewhere}/welcome`);
  await close();
});

test("who has signed in need not do so for a second application, until signing out", async () => {
  const pool = await poolWithDomain();
  await send(SetUserPoolSessionConfigurationCommand, {
    UserPoolId: pool.id,
    UserSessionTracking: "ENABLED",
    TokenSession: { MaxPerUser: 5 },
  });
  const secondSettings = { UserPoolId: pool.id, ClientName: "second", GenerateSecret: true, ...oauth };
  const { UserPoolClient: second } = await send(CreateUserPoolClientCommand, secondSettings);
  const username = await confirmedUser(pool, "sso");
  const first = await discover(pool);
  const { page, close } = await browse();
  const asked = await begun(first);
  await page.goto(asked.url);
  await signIn(page, username, password);
  await isBack(page);
  const tokens = await oidc.authorizationCodeGrant(first, new URL(page.url()), asked.checks);

  const other = await discover({ ...pool, clientId: second.ClientId }, second.ClientSecret);
  const silently = await begun(other);
  await page.goto(silently.url);
  await isBack(page);
  const others = await oidc.authorizationCodeGrant(other, new URL(page.url()), silently.checks);
  assert.equal(others.claims().sub, tokens.claims().sub);
  assert.equal(others.claims().auth_time, tokens.claims().auth_time);

  const { Sessions } = await send(ListUserSessionsCommand, { AccessToken: tokens.access_token });
  const [sso] = Sessions.filter((session) => session.SessionType === "SSO");
  const born = Sessions.filter((session) => session.OriginSessionId === sso.SessionId);
  assert.deepEqual(new Set(born.map((session) => session.ClientId)), new Set([pool.clientId, second.ClientId]));

  await page.goto(`${pool.site}/logout?${new URLSearchParams({ client_id: pool.clientId, logout_uri: `${home}/bye` })}`);
  assert.equal(page.url(), `${home}/bye`);
  const again = await begun(first);
  await page.goto(again.url);
  assert.ok(page.url().startsWith(`${pool.site}/login?`));
  await page.goto(`${pool.site}/oauth2/authorize?client_id=nobody`);
  assert.match(await page.locator("main").innerText(), /Client does not exist/);
  await isAccessible(page);
  const refused = await begun(first, { prompt: "login" });
  await page.goto(refused.url);
  assert.ok(page.url().startsWith(`${pool.site}/login?`));
  await close();
});

test("a person signs up, confirms, forgets the password and signs in with a new one", async () => {
  const pool = await poolWithDomain({}, { Schema: [{ Name: "email", Required: true }] });
  const config = await discover(pool);
  const { url, checks } = await begun(config);
  const { page, close } = await browse();
  await page.goto(url);
  await page.getByRole("link", { name: /sign up/i }).click();
  await isAccessible(page);
  const username = freshName("new");
  await page.locator("input[name=username]").fill(username);
  await page.locator("input[name=password]").fill(password);
  await page.locator("input[name='requiredAttributes[email]']").fill(`${username}@example.com`);
  await page.keyboard.press("Enter");
  await page.locator("input[name=verification_code]").waitFor();
  await isAccessible(page);
  await page.locator("input[name=verification_code]").fill(await nextCode(pool, username, "SignUp"));
  await page.keyboard.press("Enter");
  await page.waitForURL((at) => at.pathname.endsWith("/login") || at.href.startsWith(callback));

  await page.goto(url);
  await page.getByRole("link", { name: /forgot/i }).click();
  await isAccessible(page);
  await page.locator("input[name=username]").fill(username);
  await page.keyboard.press("Enter");
  await page.locator("input[autocomplete=one-time-code]").waitFor();
  await isAccessible(page);
  await page.locator("input[autocomplete=one-time-code]").fill(await nextCode(pool, username, "ForgotPassword"));
  for (const field of await page.locator("input[autocomplete=new-password]").all()) await field.fill(newPassword);
  await page.keyboard.press("Enter");
  await page.waitForURL((at) => at.pathname.endsWith("/login"));
  await page.goto(url);
  await signIn(page, username, newPassword);
  await isBack(page);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(page.url()), checks);
  assert.equal(tokens.claims()["cognito:username"], username);
  await close();
});
