// Amplify v6, as front-ends configure it for a pool at an endpoint of their own; its tokens stay in memory.

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AdminCreateUserCommand, GetUserCommand } from "@aws-sdk/client-cognito-identity-provider";
import { Amplify } from "aws-amplify";
import {
  autoSignIn,
  confirmSignIn,
  confirmSignUp,
  fetchAuthSession,
  fetchDevices,
  fetchMFAPreference,
  fetchUserAttributes,
  forgetDevice,
  getCurrentUser,
  rememberDevice,
  setUpTOTP,
  signIn,
  signOut,
  signUp,
  updateMFAPreference,
  verifyTOTPSetup,
} from "aws-amplify/auth";
import { claims, configuredPool, next, register, step } from "./amplify.mjs";
import {
  authenticator,
  confirmedUser,
  endpoint,
  freshName,
  newPassword,
  nextCode,
  password,
  requestsOf,
  send,
} from "./support.mjs";

const softwareToken = { SoftwareTokenMfaConfiguration: { Enabled: true } };
const userAuth = { ExplicitAuthFlows: ["ALLOW_USER_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"] };
const withCodes = { Policies: { SignInPolicy: { AllowedFirstAuthFactors: ["PASSWORD", "EMAIL_OTP"] } } };
const codeDigits = 8;
const swallowingMilliseconds = 350;
const ownMail = {
  EmailConfiguration: {
    EmailSendingAccount: "DEVELOPER",
    SourceArn: "arn:aws:ses:us-east-1:123456789012:identity/mail.example.com",
  },
  AccountRecoverySetting: { RecoveryMechanisms: [{ Name: "admin_only", Priority: 1 }] },
};

function readUser(token) {
  return send(GetUserCommand, { AccessToken: token.toString() });
}

/** Amplify gives a sign-up three minutes, by a timer that it never takes back: it must not keep this process alive. */
async function withoutLastingTimers(work) {
  const original = globalThis.setTimeout;
  globalThis.setTimeout = (...given) => original(...given).unref();
  try {
    return await work();
  } finally {
    globalThis.setTimeout = original;
  }
}

/**
 * Goes on into the sign-in, and says which step is next. Amplify swallows a call within 300 milliseconds of the one before,
 * also of another sign-up, and leaves its promise open: each call here is followed by a pause that is longer.
 */
async function signInAfterSignUp() {
  const reached = await step(autoSignIn());
  await sleep(swallowingMilliseconds);
  return reached;
}

test("signs up, signs in by SRP, refreshes, signs out", async () => {
  const pool = await configuredPool();
  const username = freshName("story");
  const email = `${username}@example.com`;
  const made = await signUp({ username, password, options: { userAttributes: { email } } });
  assert.equal(made.nextStep.signUpStep, "CONFIRM_SIGN_UP");
  assert.deepEqual(made.nextStep.codeDeliveryDetails, {
    deliveryMedium: "EMAIL",
    destination: "s***@e***",
    attributeName: "email",
  });
  assert.equal(await step(signIn({ username, password })), "CONFIRM_SIGN_UP");
  const confirmationCode = await nextCode(pool, username, "SignUp");
  assert.equal((await confirmSignUp({ username, confirmationCode })).isSignUpComplete, true);
  await assert.rejects(signIn({ username, password: newPassword }), {
    name: "NotAuthorizedException",
    message: "Incorrect username or password.",
  });
  assert.equal(await step(signIn({ username, password })), "DONE");
  assert.deepEqual(
    await getCurrentUser().then((user) => [user.username, user.userId]),
    [username, made.userId],
  );
  const attributes = await fetchUserAttributes();
  assert.deepEqual([attributes.email, attributes.email_verified], [email, "true"]);

  const { tokens } = await fetchAuthSession();
  const { tokens: renewed } = await fetchAuthSession({ forceRefresh: true });
  assert.notEqual(renewed.accessToken.payload.jti, tokens.accessToken.payload.jti);
  assert.equal(renewed.accessToken.payload.origin_jti, tokens.accessToken.payload.origin_jti);
  assert.equal(renewed.accessToken.payload.auth_time, tokens.accessToken.payload.auth_time);
  assert.equal(renewed.idToken.payload["cognito:username"], username);

  assert.deepEqual(await requestsOf(() => signOut()), ["RevokeToken"]);
  await assert.rejects(getCurrentUser(), { name: "UserUnAuthenticatedException" });
  for (const token of [tokens.accessToken, renewed.accessToken]) {
    await assert.rejects(readUser(token), {
      name: "NotAuthorizedException",
      message: "Access Token has been revoked",
    });
  }
});

test("signs out everywhere", async () => {
  const pool = await configuredPool();
  const username = await confirmedUser(pool, "leaver");
  await signIn({ username, password });
  const { tokens } = await fetchAuthSession();
  await signOut();
  await signIn({ username, password });
  const { tokens: others } = await fetchAuthSession();
  await assert.rejects(readUser(tokens.accessToken), { message: "Access Token has been revoked" });
  assert.equal((await readUser(others.accessToken)).Username, username);
  assert.deepEqual(await requestsOf(() => signOut({ global: true })), ["GlobalSignOut"]);
  await assert.rejects(readUser(others.accessToken), { message: "Access Token has been revoked" });
});

test("signs in with a code by email", async () => {
  const pool = await configuredPool(userAuth, withCodes);
  const username = await confirmedUser(pool, "mailed");
  const options = { authFlowType: "USER_AUTH", preferredChallenge: "EMAIL_OTP" };
  const asked = await next(signIn({ username, options }));
  assert.deepEqual(asked, {
    signInStep: "CONFIRM_SIGN_IN_WITH_EMAIL_CODE",
    codeDeliveryDetails: { deliveryMedium: "EMAIL", destination: "m***@e***" },
  });
  const code = await nextCode(pool, username, "Authentication", codeDigits);
  const wrong = String((Number(code) + 1) % 100_000_000).padStart(codeDigits, "0");
  await assert.rejects(confirmSignIn({ challengeResponse: wrong }), {
    name: "CodeMismatchException",
    message: "Invalid code or auth state for the user.",
  });
  assert.equal(await step(confirmSignIn({ challengeResponse: code })), "DONE");
  assert.equal((await claims()).username, username);
  await signOut();
});

test("signs in with the password that the user prefers, or chooses", async () => {
  const pool = await configuredPool(userAuth, withCodes);
  const username = await confirmedUser(pool, "chooser");
  const authFlowType = "USER_AUTH";
  for (const preferredChallenge of ["PASSWORD", "PASSWORD_SRP"]) {
    const options = { authFlowType, preferredChallenge };
    await assert.rejects(signIn({ username, password: newPassword, options }), {
      name: "NotAuthorizedException",
      message: "Incorrect username or password.",
    });
    assert.equal(await step(signIn({ username, password, options })), "DONE");
    await signOut();
  }
  for (const chosen of ["PASSWORD", "PASSWORD_SRP"]) {
    const choice = await next(signIn({ username, options: { authFlowType } }));
    assert.equal(choice.signInStep, "CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION");
    assert.deepEqual([...choice.availableChallenges].sort(), ["EMAIL_OTP", "PASSWORD", "PASSWORD_SRP"]);
    assert.equal(await step(confirmSignIn({ challengeResponse: chosen })), "CONFIRM_SIGN_IN_WITH_PASSWORD");
    assert.equal(await step(confirmSignIn({ challengeResponse: password })), "DONE");
    await signOut();
  }
  await signIn({ username, options: { authFlowType } });
  assert.equal(await step(confirmSignIn({ challengeResponse: "EMAIL_OTP" })), "CONFIRM_SIGN_IN_WITH_EMAIL_CODE");
  const challengeResponse = await nextCode(pool, username, "Authentication", codeDigits);
  assert.equal(await step(confirmSignIn({ challengeResponse })), "DONE");
  await signOut();
});

test("a confirmed sign-up goes on into the sign-in", async () => {
  const pool = await configuredPool();
  const username = freshName("onward");
  const options = { userAttributes: { email: `${username}@example.com` }, autoSignIn: true };
  const made = await withoutLastingTimers(() => signUp({ username, password, options }));
  assert.equal(made.nextStep.signUpStep, "CONFIRM_SIGN_UP");
  const confirmationCode = await nextCode(pool, username, "SignUp");
  const confirmed = await confirmSignUp({ username, confirmationCode });
  assert.equal(confirmed.nextStep.signUpStep, "COMPLETE_AUTO_SIGN_IN");
  assert.equal(await signInAfterSignUp(), "DONE");
  assert.equal((await claims()).username, username);
  await signOut();
});

test("a confirmed sign-up without a password goes on into the sign-in", async () => {
  const pool = await configuredPool(userAuth, withCodes);
  const username = freshName("passwordless");
  const options = { userAttributes: { email: `${username}@example.com` }, autoSignIn: { authFlowType: "USER_AUTH" } };
  const made = await withoutLastingTimers(() => signUp({ username, options }));
  assert.equal(made.nextStep.signUpStep, "CONFIRM_SIGN_UP");
  const confirmationCode = await nextCode(pool, username, "SignUp");
  const wrong = String((Number(confirmationCode) + 1) % 1_000_000).padStart(6, "0");
  await assert.rejects(confirmSignUp({ username, confirmationCode: wrong }), { name: "CodeMismatchException" });
  const confirmed = await confirmSignUp({ username, confirmationCode });
  assert.equal(confirmed.nextStep.signUpStep, "COMPLETE_AUTO_SIGN_IN");
  // The code of the sign-up is the first factor: no other is asked for, and none is sent.
  const asked = await requestsOf(async () => assert.equal(await signInAfterSignUp(), "DONE"));
  assert.deepEqual(asked, ["InitiateAuth USER_AUTH"]);
  assert.equal((await claims()).username, username);
  await signOut();
  // From then on with a code of its own.
  assert.deepEqual(await next(signIn({ username, options: { authFlowType: "USER_AUTH" } })), {
    signInStep: "CONTINUE_SIGN_IN_WITH_FIRST_FACTOR_SELECTION",
    availableChallenges: ["EMAIL_OTP"],
  });
  assert.equal(await step(confirmSignIn({ challengeResponse: "EMAIL_OTP" })), "CONFIRM_SIGN_IN_WITH_EMAIL_CODE");
  const challengeResponse = await nextCode(pool, username, "Authentication", codeDigits);
  assert.equal(await step(confirmSignIn({ challengeResponse })), "DONE");
  await signOut();
});

/** What the next request is answered. */
function nextAnswer() {
  const original = globalThis.fetch;
  return new Promise((resolve, reject) => {
    globalThis.fetch = async (...given) => {
      globalThis.fetch = original;
      const answer = await original(...given);
      answer.clone().json().then(resolve, reject);
      return answer;
    };
  });
}

test("a sign-up that somebody confirms by a link goes on into the sign-in", async () => {
  const byLink = { VerificationMessageTemplate: { DefaultEmailOption: "CONFIRM_WITH_LINK" } };
  const pool = await configuredPool(userAuth, { ...withCodes, ...byLink });
  const { Cognito } = Amplify.getConfig().Auth;
  Amplify.configure({ Auth: { Cognito: { ...Cognito, signUpVerificationMethod: "link" } } });
  const steps = { PASSWORD: "DONE", EMAIL_OTP: "CONFIRM_SIGN_IN_WITH_EMAIL_CODE" };
  for (const [preferredChallenge, reached] of Object.entries(steps)) {
    const username = freshName("link");
    const onward = { authFlowType: "USER_AUTH", preferredChallenge };
    const options = { userAttributes: { email: `${username}@example.com` }, autoSignIn: onward };
    const made = await signUp({ username, password, options });
    assert.equal(made.nextStep.signUpStep, "COMPLETE_AUTO_SIGN_IN");
    const code = await nextCode(pool, username, "SignUp");
    const link = new URLSearchParams({ client_id: pool.clientId, user_name: username, confirmation_code: code });
    const follow = async () => assert.equal((await fetch(`${endpoint}/confirmUser/?${link}`)).status, 200);
    if (preferredChallenge === "EMAIL_OTP") await follow();
    // Amplify asks every five seconds, and goes on asking for as long as the user is not confirmed.
    const asked = nextAnswer();
    const signingIn = signInAfterSignUp();
    if (preferredChallenge === "PASSWORD") {
      assert.equal((await asked).__type, "UserNotConfirmedException");
      await follow();
    }
    assert.equal(await signingIn, reached);
    if (reached !== "DONE") {
      const challengeResponse = await nextCode(pool, username, "Authentication", codeDigits);
      assert.equal(await step(confirmSignIn({ challengeResponse })), "DONE");
    }
    assert.equal((await claims()).username, username);
    await signOut();
  }
});

test("sets an authenticator app up and signs in with it", async () => {
  const pool = await configuredPool({}, {}, { ...softwareToken, MfaConfiguration: "OPTIONAL" });
  const username = await confirmedUser(pool, "totp");
  await signIn({ username, password });
  assert.deepEqual(await fetchMFAPreference(), { enabled: undefined, preferred: undefined });
  const app = authenticator((await setUpTOTP()).sharedSecret);
  await assert.rejects(verifyTOTPSetup({ code: app.wrong }), { name: "EnableSoftwareTokenMFAException" });
  await verifyTOTPSetup({ code: app.first });
  await updateMFAPreference({ totp: "PREFERRED" });
  assert.deepEqual(await fetchMFAPreference(), { enabled: ["TOTP"], preferred: "TOTP" });
  await signOut();

  assert.equal(await step(signIn({ username, password })), "CONFIRM_SIGN_IN_WITH_TOTP_CODE");
  await assert.rejects(confirmSignIn({ challengeResponse: app.wrong }), { name: "CodeMismatchException" });
  assert.equal(await step(confirmSignIn({ challengeResponse: app.second })), "DONE");
  await updateMFAPreference({ totp: "DISABLED" });
  await signOut();
  assert.equal(await step(signIn({ username, password })), "DONE");
  await signOut();
});

test("a new password and an authenticator app are set up within the sign-in", async () => {
  const pool = await configuredPool({}, {}, { ...softwareToken, MfaConfiguration: "ON" });
  const username = freshName("invited");
  await send(AdminCreateUserCommand, {
    UserPoolId: pool.id,
    Username: username,
    TemporaryPassword: password,
    MessageAction: "SUPPRESS",
  });
  const invited = await next(signIn({ username, password }));
  assert.deepEqual(invited, {
    signInStep: "CONFIRM_SIGN_IN_WITH_NEW_PASSWORD_REQUIRED",
    missingAttributes: [],
  });
  const set = await next(confirmSignIn({ challengeResponse: newPassword }));
  assert.equal(set.signInStep, "CONTINUE_SIGN_IN_WITH_TOTP_SETUP");
  const app = authenticator(set.totpSetupDetails.sharedSecret);
  assert.equal(await step(confirmSignIn({ challengeResponse: app.first })), "DONE");
  assert.deepEqual(await fetchMFAPreference(), { enabled: ["TOTP"], preferred: "TOTP" });
  await signOut();
  assert.equal(await step(signIn({ username, password: newPassword })), "CONFIRM_SIGN_IN_WITH_TOTP_CODE");
  assert.equal(await step(confirmSignIn({ challengeResponse: app.second })), "DONE");
  await signOut();
});

test("a user with two second factors chooses one", async () => {
  const pool = await configuredPool({}, ownMail, {
    ...softwareToken,
    EmailMfaConfiguration: {},
    MfaConfiguration: "OPTIONAL",
  });
  const username = await confirmedUser(pool, "chooser");
  await signIn({ username, password });
  const app = await register();
  await updateMFAPreference({ totp: "ENABLED", email: "ENABLED" });
  await updateMFAPreference({ totp: "NOT_PREFERRED" });
  const { enabled, preferred } = await fetchMFAPreference();
  assert.deepEqual([[...enabled].sort(), preferred], [["EMAIL", "TOTP"], undefined]);
  await signOut();

  const choice = await next(signIn({ username, password }));
  assert.equal(choice.signInStep, "CONTINUE_SIGN_IN_WITH_MFA_SELECTION");
  assert.deepEqual([...choice.allowedMFATypes].sort(), ["EMAIL", "TOTP"]);
  assert.deepEqual(await next(confirmSignIn({ challengeResponse: "EMAIL" })), {
    signInStep: "CONFIRM_SIGN_IN_WITH_EMAIL_CODE",
    codeDeliveryDetails: { deliveryMedium: "EMAIL", destination: "c***@e***" },
  });
  const code = await nextCode(pool, username, "Authentication");
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  await assert.rejects(confirmSignIn({ challengeResponse: wrong }), { name: "CodeMismatchException" });
  assert.equal(await step(confirmSignIn({ challengeResponse: code })), "DONE");
  await signOut();

  await signIn({ username, password });
  assert.equal(await step(confirmSignIn({ challengeResponse: "TOTP" })), "CONFIRM_SIGN_IN_WITH_TOTP_CODE");
  assert.equal(await step(confirmSignIn({ challengeResponse: app.second })), "DONE");
  await signOut();
});

test("an address for codes is set up within the sign-in", async () => {
  const pool = await configuredPool({}, ownMail, {
    ...softwareToken,
    EmailMfaConfiguration: {},
    MfaConfiguration: "ON",
  });
  const username = freshName("addressless");
  await send(AdminCreateUserCommand, {
    UserPoolId: pool.id,
    Username: username,
    TemporaryPassword: password,
    MessageAction: "SUPPRESS",
  });
  await signIn({ username, password });
  const choice = await next(confirmSignIn({ challengeResponse: newPassword }));
  assert.equal(choice.signInStep, "CONTINUE_SIGN_IN_WITH_MFA_SETUP_SELECTION");
  assert.deepEqual([...choice.allowedMFATypes].sort(), ["EMAIL", "TOTP"]);
  assert.equal(await step(confirmSignIn({ challengeResponse: "EMAIL" })), "CONTINUE_SIGN_IN_WITH_EMAIL_SETUP");
  const email = `${username}@example.com`;
  assert.equal(await step(confirmSignIn({ challengeResponse: email })), "CONFIRM_SIGN_IN_WITH_EMAIL_CODE");
  const challengeResponse = await nextCode(pool, username, "Authentication");
  assert.equal(await step(confirmSignIn({ challengeResponse })), "DONE");
  const attributes = await fetchUserAttributes();
  assert.deepEqual([attributes.email, attributes.email_verified], [email, "true"]);
  await signOut();
  assert.equal(await step(signIn({ username, password: newPassword })), "CONFIRM_SIGN_IN_WITH_EMAIL_CODE");
});

test("a remembered device stands in for the second factor", async () => {
  const pool = await configuredPool(
    {},
    { DeviceConfiguration: { ChallengeRequiredOnNewDevice: true, DeviceOnlyRememberedOnUserPrompt: true } },
    { ...softwareToken, MfaConfiguration: "OPTIONAL" },
  );
  const username = await confirmedUser(pool, "device");
  await signIn({ username, password });
  const { device_key: key } = await claims();
  const app = await register();
  await rememberDevice();
  assert.deepEqual((await fetchDevices()).map((device) => device.id), [key]);
  assert.equal((await claims({ forceRefresh: true })).device_key, key);
  await signOut();

  const asked = await requestsOf(async () => {
    assert.equal(await step(signIn({ username, password })), "DONE");
  });
  assert.deepEqual(asked, [
    "InitiateAuth USER_SRP_AUTH",
    "RespondToAuthChallenge PASSWORD_VERIFIER",
    "RespondToAuthChallenge DEVICE_SRP_AUTH",
    "RespondToAuthChallenge DEVICE_PASSWORD_VERIFIER",
  ]);
  assert.equal((await claims()).device_key, key);
  await forgetDevice();
  assert.deepEqual(await fetchDevices(), []);
  await signOut();

  assert.equal(await step(signIn({ username, password })), "CONFIRM_SIGN_IN_WITH_TOTP_CODE");
  assert.equal(await step(confirmSignIn({ challengeResponse: app.second })), "DONE");
  assert.notEqual((await claims()).device_key, key);
  await signOut();
});

test("refresh tokens that rotate are followed", async () => {
  const pool = await configuredPool({
    ExplicitAuthFlows: ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"],
    RefreshTokenRotation: { Feature: "ENABLED", RetryGracePeriodSeconds: 0 },
  });
  const username = await confirmedUser(pool, "rotating");
  await signIn({ username, password });
  const seen = new Set([(await claims()).jti]);
  for (let round = 0; round < 3; round += 1) {
    seen.add((await claims({ forceRefresh: true })).jti);
  }
  assert.equal(seen.size, 4);
  await signOut();
});
