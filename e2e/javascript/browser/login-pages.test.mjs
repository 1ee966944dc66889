// Login pages in a browser, as people see them, and the OAuth2 endpoints through openid-client, as applications call them.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CreateUserPoolClientCommand,
  GetUserCommand,
  ListUserSessionsCommand,
  SetUserPoolSessionConfigurationCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import * as oidc from "openid-client";
import { authenticator, confirmedUser, freshName, newPassword, nextCode, password, send } from "../support.mjs";
import { browse } from "./chromium.mjs";
import {
  begun,
  callback,
  discover,
  elsewhere,
  hasCursor,
  home,
  isAccessible,
  isBack,
  oauth,
  onward,
  poolWithDomain,
  signIn,
} from "./login-pages.mjs";

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
  const { page, close } = await browse();
  await page.goto(url);
  await signIn(page, username, password);
  await page.waitForURL(`${elsewhere}/welcome`);
  await close();
});

test("a person sets up an authenticator app, and signs in with its code", async () => {
  const app = { MfaConfiguration: "ON", SoftwareTokenMfaConfiguration: { Enabled: true } };
  const pool = await poolWithDomain({}, {}, app);
  const username = await confirmedUser(pool, "app");
  const config = await discover(pool);
  const first = await begun(config);
  const { page, close } = await browse();
  await page.goto(first.url);
  await signIn(page, username, password);
  const secret = (await page.locator("code").innerText()).replaceAll(" ", "");
  await isAccessible(page);
  const codes = authenticator(secret);
  await hasCursor(page, "code");
  await page.keyboard.type(codes.wrong);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await isAccessible(page);
  await hasCursor(page, "code");
  await page.keyboard.type(codes.first);
  await page.keyboard.press("Enter");
  await isBack(page);
  await close();

  const second = await begun(config);
  const another = await browse();
  await another.page.goto(second.url);
  await signIn(another.page, username, password);
  await another.page.getByText("Enter the code that your authenticator app shows.").waitFor();
  await isAccessible(another.page);
  await hasCursor(another.page, "code");
  await another.page.keyboard.type(codes.second);
  await another.page.keyboard.press("Enter");
  await isBack(another.page);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(another.page.url()), second.checks);
  assert.equal(tokens.claims()["cognito:username"], username);
  await another.close();
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
  const { page, complaints, close } = await browse();
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
  assert.match(complaints.pop(), /\/error\?.* 400 /);
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
