// Passkeys in a browser: a page that calls the operations itself and hands what they answer to navigator.credentials.

import assert from "node:assert/strict";
import test from "node:test";
import { SetUserPoolMfaConfigCommand } from "@aws-sdk/client-cognito-identity-provider";
import { confirmedUser, createPool, endpoint, password, send } from "../support.mjs";
import { open } from "./chromium.mjs";

const incorrect = "NotAuthorizedException: Incorrect username or password.";
const flows = { ExplicitAuthFlows: ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"] };
const factors = { Policies: { SignInPolicy: { AllowedFirstAuthFactors: ["PASSWORD", "WEB_AUTHN"] } } };

/** What a page asks for that leaves out whatever the server wants: no verification, and nothing to be kept. */
function careless(options) {
  return { ...options, authenticatorSelection: { residentKey: "discouraged", userVerification: "discouraged" } };
}

/** A pool whose passkeys are for this relying party, a user, and a page of a site with the authenticator. */
async function scene({ relyingParty = "localhost", verification, host = "localhost", authenticator = {} } = {}) {
  const configuration = { RelyingPartyId: relyingParty, UserVerification: verification };
  const pool = await createPool(flows, factors, { WebAuthnConfiguration: configuration });
  const username = await confirmedUser(pool, "passkey");
  const page = await open(host);
  const call = (operation, input) => page.app("call", endpoint, operation, input);
  const ok = async (operation, input) => {
    const answer = await call(operation, input);
    assert.equal(answer.error, undefined, operation);
    return answer;
  };
  const { AuthenticationResult: tokens } = await ok("InitiateAuth", {
    ClientId: pool.clientId,
    AuthFlow: "USER_PASSWORD_AUTH",
    AuthParameters: { USERNAME: username, PASSWORD: password },
  });
  const AccessToken = tokens.AccessToken;
  const key = await page.authenticator(authenticator);

  const start = async () => (await ok("StartWebAuthnRegistration", { AccessToken })).CredentialCreationOptions;
  const complete = (Credential) => call("CompleteWebAuthnRegistration", { AccessToken, Credential });
  const register = async () => {
    const credential = await page.app("create", await start());
    assert.equal(credential.refused, undefined);
    assert.deepEqual(await complete(credential), {});
    return credential.id;
  };
  const list = async () => (await ok("ListWebAuthnCredentials", { AccessToken })).Credentials;
  const begin = (more) =>
    ok("InitiateAuth", {
      ClientId: pool.clientId,
      AuthFlow: "USER_AUTH",
      AuthParameters: { USERNAME: username, ...more },
    });
  const prefer = async () => {
    const asked = await begin({ PREFERRED_CHALLENGE: "WEB_AUTHN" });
    assert.equal(asked.ChallengeName, "WEB_AUTHN");
    return { asked, options: JSON.parse(asked.ChallengeParameters.CREDENTIAL_REQUEST_OPTIONS) };
  };
  const respond = (asked, responses) =>
    call("RespondToAuthChallenge", {
      ClientId: pool.clientId,
      ChallengeName: asked.ChallengeName,
      Session: asked.Session,
      ChallengeResponses: { USERNAME: username, ...responses },
    });
  const prove = (asked, credential) => respond(asked, { CREDENTIAL: JSON.stringify(credential) });
  /** One sign-in from start to end; `change` is done to the options that the browser gets. */
  const signIn = async (change = (options) => options) => {
    const { asked, options } = await prefer();
    const credential = await page.app("get", change(options));
    assert.equal(credential.refused, undefined);
    return prove(asked, credential);
  };
  return { pool, username, page, key, call, ok, AccessToken, start, complete, register, list, begin, prefer, respond, prove, signIn };
}

test("registers a passkey, signs in with it, deletes it", async () => {
  const { username, page, key, call, ok, AccessToken, register, list, begin, prefer, respond, prove, signIn, start } =
    await scene();
  assert.deepEqual(await list(), []);
  const id = await register();
  const [{ CreatedAt, ...shown }, ...others] = await list();
  assert.deepEqual(others, []);
  assert.ok(Math.abs(CreatedAt - Date.now() / 1000) < 60, CreatedAt);
  assert.deepEqual(shown, {
    CredentialId: id,
    FriendlyCredentialName: "Platform passkey",
    RelyingPartyId: "localhost",
    AuthenticatorAttachment: "platform",
    AuthenticatorTransports: ["internal"],
  });
  // The authenticator keeps the passkey for this user, to be found without naming anybody.
  const [kept] = await key.credentials();
  assert.deepEqual([kept.isResidentCredential, kept.rpId], [true, "localhost"]);
  const { sub } = Object.fromEntries(
    (await ok("GetUser", { AccessToken })).UserAttributes.map(({ Name, Value }) => [Name, Value]),
  );
  assert.equal(Buffer.from(kept.userHandle, "base64").toString(), sub);
  // It is not made twice on one authenticator: the browser is told which ones there are.
  assert.deepEqual(await page.app("create", await start()), { refused: "InvalidStateError" });

  // By the preferred challenge.
  const signedIn = await signIn();
  const token = signedIn.AuthenticationResult.AccessToken;
  assert.equal((await ok("GetUser", { AccessToken: token })).Username, username);
  assert.deepEqual((await ok("GetUserAuthFactors", { AccessToken: token })).ConfiguredUserAuthFactors, [
    "PASSWORD",
    "WEB_AUTHN",
  ]);
  // By choice among what there is; the challenge comes after the choice.
  const choice = await begin({});
  assert.equal(choice.ChallengeName, "SELECT_CHALLENGE");
  assert.deepEqual([...choice.AvailableChallenges].sort(), ["PASSWORD", "PASSWORD_SRP", "WEB_AUTHN"]);
  const chosen = await respond(choice, { ANSWER: "WEB_AUTHN" });
  assert.equal(chosen.ChallengeName, "WEB_AUTHN");
  const options = JSON.parse(chosen.ChallengeParameters.CREDENTIAL_REQUEST_OPTIONS);
  assert.equal(options.userVerification, "preferred");
  const proof = await page.app("get", options);
  // A proof is for its own challenge, once.
  const another = await prefer();
  assert.equal((await prove(another.asked, proof)).error, incorrect);
  assert.ok((await prove(chosen, proof)).AuthenticationResult.AccessToken);
  assert.equal(
    (await prove(chosen, proof)).error,
    "NotAuthorizedException: Invalid session for the user, session can only be used once.",
  );

  const pending = await prefer();
  const late = await page.app("get", pending.options);
  assert.deepEqual(await ok("DeleteWebAuthnCredential", { AccessToken, CredentialId: id }), {});
  assert.deepEqual(await list(), []);
  assert.equal((await prove(pending.asked, late)).error, incorrect);
  assert.match(
    (await call("DeleteWebAuthnCredential", { AccessToken, CredentialId: id })).error,
    /^ResourceNotFoundException: /,
  );
  const without = await begin({ PREFERRED_CHALLENGE: "WEB_AUTHN" });
  assert.equal(without.ChallengeName, "SELECT_CHALLENGE");
  assert.deepEqual([...without.AvailableChallenges].sort(), ["PASSWORD", "PASSWORD_SRP"]);
  await page.close();
});

test("a user has several passkeys, and the browser uses the one that is there", async () => {
  const { page, key, register, list, signIn } = await scene();
  const first = await register();
  await key.unplug();
  const stick = await page.authenticator({ transport: "usb" });
  const second = await register();
  assert.notEqual(second, first);
  const shown = (await list()).map((passkey) => [
    passkey.FriendlyCredentialName,
    passkey.AuthenticatorAttachment,
    passkey.AuthenticatorTransports,
  ]);
  assert.deepEqual(shown.sort(), [
    ["Platform passkey", "platform", ["internal"]],
    ["Roaming passkey", "cross-platform", ["usb"]],
  ]);
  assert.ok((await signIn()).AuthenticationResult.AccessToken);
  assert.deepEqual((await stick.credentials()).map((passkey) => passkey.signCount > 1), [true]);
  await page.close();
});

test("an authenticator that verifies nobody does where that is only preferred", async () => {
  const { page, start, complete, prefer, signIn } = await scene({
    authenticator: { transport: "usb", hasUserVerification: false, isUserVerified: false },
  });
  const options = await start();
  // This browser has authenticators keep no passkeys for users whom they do not verify; so this page asks for none.
  assert.deepEqual(await page.app("create", options), { refused: "NotAllowedError" });
  const unverified = await page.app("create", careless(options));
  assert.deepEqual(await complete(unverified), {});
  const { options: request } = await prefer();
  assert.deepEqual(request.allowCredentials, [{ type: "public-key", id: unverified.id, transports: ["usb"] }]);
  assert.ok((await signIn()).AuthenticationResult.AccessToken);
  await page.close();
});

test("who has to be verified is", async () => {
  const { page, key, start, complete, register, prefer, prove, signIn } = await scene({
    verification: "required",
    authenticator: { transport: "usb", hasUserVerification: false, isUserVerified: false },
  });
  const options = await start();
  assert.equal(options.authenticatorSelection.userVerification, "required");
  assert.deepEqual(await page.app("create", options), { refused: "NotAllowedError" });
  const unverified = await page.app("create", careless(options));
  assert.deepEqual(await complete(unverified), {
    error: "WebAuthnCredentialNotSupportedException: The authenticator has not verified the user.",
  });
  await key.unplug();
  const stick = await page.authenticator({ transport: "usb" });
  await register();

  const { asked, options: request } = await prefer();
  assert.equal(request.userVerification, "required");
  await stick.verifiesUser(false);
  assert.deepEqual(await page.app("get", request), { refused: "NotAllowedError" });
  const proof = await page.app("get", { ...request, userVerification: "discouraged" });
  assert.equal(proof.refused, undefined);
  assert.equal((await prove(asked, proof)).error, incorrect);
  await stick.verifiesUser(true);
  assert.ok((await signIn()).AuthenticationResult.AccessToken);
  await page.close();
});

test("passkeys of another relying party are refused", async () => {
  // The page is below the relying party's name, which the browser does not let it speak for.
  const { page, start, complete } = await scene({ host: "shop.localhost" });
  const options = await start();
  assert.deepEqual(await page.app("create", { ...options, rp: { id: "elsewhere.example", name: "x" } }), {
    refused: "SecurityError",
  });
  const own = await page.app("create", { ...options, rp: { name: "The page's own" } });
  assert.match((await complete(own)).error, /^WebAuthnRelyingPartyMismatchException: /);
  await page.close();
});

test("pages of other origins are refused", async () => {
  const { page, start, complete, prefer, prove, pool, register } = await scene({ relyingParty: "auth.localhost" });
  const options = await start();
  assert.deepEqual(await page.app("create", options), { refused: "SecurityError" });
  const own = await page.app("create", { ...options, rp: { name: "The page's own" } });
  assert.match((await complete(own)).error, /^WebAuthnOriginNotAllowedException: /);

  // The same at a sign-in: the pool has got another relying party since, and keeps the passkeys of the earlier one.
  const configure = (RelyingPartyId) =>
    send(SetUserPoolMfaConfigCommand, { UserPoolId: pool.id, WebAuthnConfiguration: { RelyingPartyId } });
  await configure("localhost");
  const id = await register();
  const { asked, options: request } = await prefer();
  assert.deepEqual(request.allowCredentials.map((allowed) => allowed.id), [id]);
  const elsewhere = await open("auth.localhost");
  await elsewhere.authenticator();
  const foreign = await elsewhere.app("create", { ...options, rp: { name: "The page's own" } });
  const allowCredentials = [{ type: "public-key", id: foreign.id }];
  const proof = await elsewhere.app("get", { challenge: request.challenge, allowCredentials });
  assert.equal(proof.id, foreign.id);
  for (const given of [proof, { ...proof, id, rawId: id }]) {
    assert.equal((await prove(asked, given)).error, incorrect);
  }
  // What was wrong has not used the sign-in up.
  assert.ok((await prove(asked, await page.app("get", request))).AuthenticationResult.AccessToken);
  await elsewhere.close();
  await page.close();
});

test("a copy of an authenticator is found out", async () => {
  const { page, key, register, signIn } = await scene();
  await register();
  const [copied] = await key.credentials();
  assert.ok((await signIn()).AuthenticationResult.AccessToken);
  assert.ok((await signIn()).AuthenticationResult.AccessToken);
  const [original] = await key.credentials();
  assert.ok(original.signCount > copied.signCount);
  // Somebody goes on from the state of before.
  await key.forget(copied.credentialId);
  await key.remember(copied);
  assert.equal((await signIn()).error, incorrect);
  await key.forget(copied.credentialId);
  await key.remember(original);
  assert.ok((await signIn()).AuthenticationResult.AccessToken);
  await page.close();
});
