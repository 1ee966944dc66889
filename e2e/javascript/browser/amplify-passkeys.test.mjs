// Amplify's own functions for passkeys, bundled for a browser as a front-end has them.

import assert from "node:assert/strict";
import test from "node:test";
import { confirmedUser, createPool, endpoint, password } from "../support.mjs";
import { open } from "./chromium.mjs";

const flows = {
  ExplicitAuthFlows: ["ALLOW_USER_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
};
const factors = { Policies: { SignInPolicy: { AllowedFirstAuthFactors: ["PASSWORD", "WEB_AUTHN"] } } };

/** A page with an authenticator, where Amplify is configured for this pool, and one of its functions to call. */
async function front(pool) {
  const page = await open();
  const key = await page.authenticator();
  const configuration = { userPoolId: pool.id, userPoolClientId: pool.clientId, userPoolEndpoint: `${endpoint}/` };
  await page.run((Cognito) => globalThis.app.Amplify.configure({ Auth: { Cognito } }), configuration);
  // An error of Amplify's does not survive the way out of the page: its name does.
  const amplify = async (name, input) => {
    const outcome = await page.run(
      async ([name, input]) => {
        try {
          return { value: await globalThis.app.auth[name](input) };
        } catch (error) {
          return { error: `${error.name}: ${error.message}` };
        }
      },
      [name, input],
    );
    if (outcome.error !== undefined) throw new Error(outcome.error);
    return outcome.value;
  };
  return { page, key, amplify };
}

test("associates a passkey, lists it, signs in with it, deletes it", async () => {
  const pool = await createPool(flows, factors, { WebAuthnConfiguration: { RelyingPartyId: "localhost" } });
  const username = await confirmedUser(pool, "amplified");
  const { page, key, amplify } = await front(pool);
  const step = async (...given) => (await amplify(...given)).nextStep;

  assert.deepEqual(await step("signIn", { username, password }), { signInStep: "DONE" });
  await amplify("associateWebAuthnCredential");
  await assert.rejects(amplify("associateWebAuthnCredential"), /^Error: PasskeyAlreadyExists: /);
  const { credentials, nextToken } = await amplify("listWebAuthnCredentials");
  assert.equal(nextToken, undefined);
  const [{ credentialId, createdAt, ...shown }, ...others] = credentials;
  assert.deepEqual(others, []);
  assert.ok(Math.abs(createdAt - Date.now()) < 60_000, createdAt);
  assert.deepEqual(shown, {
    friendlyCredentialName: "Platform passkey",
    relyingPartyId: "localhost",
    authenticatorAttachment: "platform",
    authenticatorTransports: ["internal"],
  });
  assert.equal(Buffer.from((await key.credentials())[0].credentialId, "base64").toString("base64url"), credentialId);
  await amplify("signOut");

  // The one that the user prefers, and the one that the user chooses.
  const options = { authFlowType: "USER_AUTH", preferredChallenge: "WEB_AUTHN" };
  assert.deepEqual(await step("signIn", { username, options }), { signInStep: "DONE" });
  assert.equal((await amplify("getCurrentUser")).username, username);
  await amplify("signOut");
  const choice = await step("signIn", { username, options: { authFlowType: "USER_AUTH" } });
  assert.equal(choice.signInStep, "CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION");
  assert.deepEqual([...choice.availableChallenges].sort(), ["PASSWORD", "PASSWORD_SRP", "WEB_AUTHN"]);
  assert.deepEqual(await step("confirmSignIn", { challengeResponse: "WEB_AUTHN" }), { signInStep: "DONE" });

  await amplify("deleteWebAuthnCredential", { credentialId });
  assert.deepEqual((await amplify("listWebAuthnCredentials")).credentials, []);
  await amplify("signOut");
  assert.deepEqual(await step("signIn", { username, options }), {
    signInStep: "CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION",
    availableChallenges: ["PASSWORD_SRP", "PASSWORD"],
  });
  await page.close();
});

test("a sign-in that the authenticator does not go on with is no sign-in", async () => {
  const verification = { RelyingPartyId: "localhost", UserVerification: "required" };
  const pool = await createPool(flows, factors, { WebAuthnConfiguration: verification });
  const username = await confirmedUser(pool, "amplified");
  const { page, key, amplify } = await front(pool);
  await amplify("signIn", { username, password });
  await amplify("associateWebAuthnCredential");
  await amplify("signOut");

  const options = { authFlowType: "USER_AUTH", preferredChallenge: "WEB_AUTHN" };
  await key.verifiesUser(false);
  await assert.rejects(amplify("signIn", { username, options }), /^Error: PasskeyAuthenticationCanceled: /);
  await assert.rejects(amplify("getCurrentUser"), /^Error: UserUnAuthenticatedException: /);
  await key.verifiesUser(true);
  assert.equal((await amplify("signIn", { username, options })).isSignedIn, true);
  await page.close();
});
