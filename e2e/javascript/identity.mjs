// What the suites of amazon-cognito-identity-js share: a front-end's storage and pool, and callbacks as promises.

import assert from "node:assert/strict";
import { AuthenticationDetails, CognitoUser, CognitoUserPool } from "amazon-cognito-identity-js";
import { authenticator, endpoint } from "./support.mjs";

export const preferred = { Enabled: true, PreferredMfa: true };

/** localStorage for a process that has none. */
class MemoryStorage {
  #items = new Map();
  setItem(key, value) {
    this.#items.set(key, value);
    return value;
  }
  getItem(key) {
    return this.#items.get(key) ?? null;
  }
  removeItem(key) {
    this.#items.delete(key);
  }
  clear() {
    this.#items.clear();
  }
}

/** One browser, with tokens and device keys of its own. `user(name)` is that user as a freshly loaded page has it. */
export function frontEnd(pool) {
  const storage = new MemoryStorage();
  const userPool = new CognitoUserPool({
    UserPoolId: pool.id,
    ClientId: pool.clientId,
    endpoint: `${endpoint}/`,
    Storage: storage,
  });
  return { userPool, user: (username) => new CognitoUser({ Username: username, Pool: userPool, Storage: storage }) };
}

/** A (error, result) callback as a promise. */
export function called(start) {
  return new Promise((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))));
}

const steps = [
  "associateSecretCode",
  "customChallenge",
  "mfaRequired",
  "mfaSetup",
  "newPasswordRequired",
  "onSuccess",
  "selectMFAType",
  "totpRequired",
];

/** A map of callbacks as a promise: the name of the one that was called, then what it was given. */
export function answered(start) {
  return new Promise((resolve, reject) => {
    const callbacks = Object.fromEntries(steps.map((name) => [name, (...given) => resolve([name, ...given])]));
    start({ ...callbacks, onFailure: reject });
  });
}

/** The first step of a sign-in by SRP; `more` is further members of its details. */
export function signIn(cognitoUser, secret, more = {}) {
  const details = new AuthenticationDetails({ Username: cognitoUser.getUsername(), Password: secret, ...more });
  return answered((callbacks) => cognitoUser.authenticateUser(details, callbacks));
}

/** Answers a challenge that asks for a code. */
export function sendCode(cognitoUser, code, kind = "SOFTWARE_TOKEN_MFA") {
  return answered((callbacks) => cognitoUser.sendMFACode(code, callbacks, kind));
}

/** Registers an authenticator app for a signed-in user, with its first code. */
export async function register(cognitoUser, settings = preferred) {
  const [, secret] = await answered((callbacks) => cognitoUser.associateSoftwareToken(callbacks));
  const app = authenticator(secret);
  await answered((callbacks) => cognitoUser.verifySoftwareToken(app.first, "phone", callbacks));
  const set = await called((done) => cognitoUser.setUserMfaPreference(null, settings, done));
  assert.equal(set, "SUCCESS");
  return app;
}
