// What the suites of Amplify share: a pool that it is configured for, steps of a sign-in, an authenticator app.

import assert from "node:assert/strict";
import { Amplify } from "aws-amplify";
import { fetchAuthSession, setUpTOTP, updateMFAPreference, verifyTOTPSetup } from "aws-amplify/auth";
import { ConsoleLogger } from "aws-amplify/utils";
import { authenticator, createPool, endpoint } from "./support.mjs";

// It warns that the endpoint is a custom one.
ConsoleLogger.LOG_LEVEL = "ERROR";

// A device is registered under the browser's name, and Node 20 has none.
globalThis.navigator ??= { userAgent: "Node" };

/** A pool that Amplify is configured for from now on. */
export async function configuredPool(clientSettings = {}, poolSettings = {}, mfa = undefined) {
  const pool = await createPool(clientSettings, poolSettings, mfa);
  Amplify.configure({
    Auth: { Cognito: { userPoolId: pool.id, userPoolClientId: pool.clientId, userPoolEndpoint: `${endpoint}/` } },
  });
  return pool;
}

/** Makes one step of a sign-in and says which step is next. */
export async function next(promise) {
  const { isSignedIn, nextStep } = await promise;
  assert.equal(isSignedIn, nextStep.signInStep === "DONE");
  return nextStep;
}

export async function step(promise) {
  return (await next(promise)).signInStep;
}

/** The access token's claims. */
export async function claims(options) {
  const { tokens } = await fetchAuthSession(options);
  return tokens.accessToken.payload;
}

/** Registers an authenticator app for the signed-in user, with its first code. */
export async function register() {
  const app = authenticator((await setUpTOTP()).sharedSecret);
  await verifyTOTPSetup({ code: app.first });
  await updateMFAPreference({ totp: "PREFERRED" });
  return app;
}
