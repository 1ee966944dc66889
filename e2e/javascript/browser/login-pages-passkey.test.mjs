// The login pages' own script for passkeys, in a browser that keeps to the policy of the pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CompleteWebAuthnRegistrationCommand,
  CreateManagedLoginBrandingCommand,
  DeleteWebAuthnCredentialCommand,
  InitiateAuthCommand,
  SetUserPoolMfaConfigCommand,
  StartWebAuthnRegistrationCommand,
  UpdateUserPoolDomainCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import * as oidc from "openid-client";
import { confirmedUser, endpoint, password, send } from "../support.mjs";
import { open } from "./chromium.mjs";
import { begun, discover, hasCursor, isAccessible, isBack, poolWithDomain } from "./login-pages.mjs";

const flows = { ExplicitAuthFlows: ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"] };
const factors = { Policies: { SignInPolicy: { AllowedFirstAuthFactors: ["PASSWORD", "WEB_AUTHN"] } } };

/** A user with a passkey for the pool's domain, on the authenticator of a tab that goes to its login page. */
async function scene() {
  const pool = await poolWithDomain(flows, factors);
  const managed = { UserPoolId: pool.id, Domain: pool.prefix, ManagedLoginVersion: 2 };
  await send(UpdateUserPoolDomainCommand, managed);
  const style = { UserPoolId: pool.id, ClientId: pool.clientId, UseCognitoProvidedValues: true };
  await send(CreateManagedLoginBrandingCommand, style);
  // The domain by its name: browsers have no passkeys for addresses.
  const host = `${pool.prefix}.auth.localhost`;
  const site = `http://${host}:${new URL(endpoint).port}`;
  const WebAuthnConfiguration = { UserVerification: "required" };
  await send(SetUserPoolMfaConfigCommand, { UserPoolId: pool.id, WebAuthnConfiguration });

  const username = await confirmedUser(pool, "passkey");
  const { page, app, authenticator, complaints, close } = await open(host);
  const key = await authenticator();
  const { AuthenticationResult } = await send(InitiateAuthCommand, {
    ClientId: pool.clientId,
    AuthFlow: "USER_PASSWORD_AUTH",
    AuthParameters: { USERNAME: username, PASSWORD: password },
  });
  const { AccessToken } = AuthenticationResult;
  const { CredentialCreationOptions } = await send(StartWebAuthnRegistrationCommand, { AccessToken });
  assert.equal(CredentialCreationOptions.rp.id, host, "a pool that names no relying party has that of its pages");
  const Credential = await app("create", CredentialCreationOptions);
  await send(CompleteWebAuthnRegistrationCommand, { AccessToken, Credential });
  const [passkey] = await key.credentials();

  const config = await discover(pool);
  const { url, checks } = await begun(config);
  await page.goto(url.replace(pool.site, site));
  assert.ok(page.url().startsWith(`${site}/login?`));
  return { username, page, key, passkey, complaints, close, config, checks, AccessToken, Credential };
}

const titled = (page, name) => page.getByRole("heading", { name, exact: true }).waitFor();

/** What has the focus, by what it is called. */
const focused = (page) => page.evaluate(() => document.activeElement.value ?? document.activeElement.innerText);

/** From the login page to the choice, with the keyboard alone. */
async function giveName(page, username) {
  await titled(page, "Sign in");
  await hasCursor(page, "signInFormUsername");
  await page.keyboard.type(username);
  await page.keyboard.press("Enter");
  await titled(page, "Choose how to sign in");
  await hasCursor(page, "password");
}

/** From the login page to the one of the passkey, with the keyboard alone. */
async function choosePasskey(page, username) {
  await giveName(page, username);
  // Over the button of the password.
  for (const expected of ["Sign in", "Use a passkey"]) {
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), expected);
  }
  await page.keyboard.press("Enter");
  await titled(page, "Use your passkey");
}

/** From the button of that page to the login page. */
async function beginAnew(page) {
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Begin anew");
  await page.keyboard.press("Enter");
}

/** The application gets the tokens of whoever has signed in. */
async function arrives({ username, page, passkey, config, checks }) {
  await isBack(page);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(page.url()), checks);
  const claims = tokens.claims();
  assert.equal(claims["cognito:username"], username);
  assert.equal(claims.sub, Buffer.from(passkey.userHandle, "base64").toString());
}

test("a person signs in with a passkey and the keyboard", async () => {
  const here = await scene();
  const { username, page, complaints, close } = here;
  await choosePasskey(page, username);
  await isAccessible(page);
  assert.deepEqual(complaints, []);
  // The policy is in force, and what it keeps out would be complained of.
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'changed'";
    document.body.append(script);
  });
  assert.match(complaints.pop(), /Content Security Policy/);
  assert.equal(await page.title(), "Use your passkey");

  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Continue");
  await page.keyboard.press("Enter");
  await arrives(here);
  assert.deepEqual(complaints, []);
  await close();
});

test("a person leaves the browser's question, is told when the passkey cannot be used, and tries again", async () => {
  const here = await scene();
  const { username, page, key, complaints, close } = here;
  const alert = page.getByRole("alert");
  await choosePasskey(page, username);
  // While the browser asks, nothing is wrong, and asking twice is asking once.
  await key.isTouched(false);
  await page.keyboard.press("Tab");
  for (const _time of ["once", "twice"]) await page.keyboard.press("Enter");
  await page.waitForTimeout(100);
  assert.equal(await alert.count(), 0);
  await beginAnew(page);
  await key.isTouched(true);

  await choosePasskey(page, username);
  await key.verifiesUser(false);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await alert.waitFor();
  const unused = ["The passkey could not be used. Try again, or begin anew and sign in another way."];
  assert.deepEqual(await alert.allInnerTexts(), unused);
  assert.equal(await focused(page), "Continue");
  await isAccessible(page);
  await key.verifiesUser(true);
  await page.keyboard.press("Enter");
  await arrives(here);
  assert.deepEqual(complaints, []);
  await close();
});

test("a person whose passkey is gone begins anew and signs in with the password", async () => {
  const here = await scene();
  const { username, page, key, passkey, complaints, close, AccessToken, Credential } = here;
  await choosePasskey(page, username);
  await send(DeleteWebAuthnCredentialCommand, { AccessToken, CredentialId: Credential.id });
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.equal(await page.title(), "Error: Use your passkey");
  assert.deepEqual(await alert.allInnerTexts(), ["This passkey was not accepted. Please try again."]);
  await isAccessible(page);

  // What the browser says then takes the place of what the server has said.
  await key.forget(passkey.credentialId);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText("The passkey could not be used.").waitFor();
  assert.equal(await alert.count(), 1);
  await beginAnew(page);
  await giveName(page, username);
  assert.equal(await page.getByRole("button", { name: "Use a passkey" }).count(), 0);
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await arrives(here);
  assert.deepEqual(complaints, []);
  await close();
});
