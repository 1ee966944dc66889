// One handler for each trigger, as one would deploy them to Lambda: nothing in here knows Poolkeeper.

import {
  AdminAddUserToGroupCommand,
  AdminUpdateUserAttributesCommand,
  CognitoIdentityProviderClient,
} from "@aws-sdk/client-cognito-identity-provider";

const cognito = new CognitoIdentityProviderClient({});

// What another directory knows.
const directory = { olga: { password: "old secret", email: "olga@example.com", name: "Olga" } };

export const preSignUp = async (event) => {
  const { userAttributes, validationData } = event.request;
  if (userAttributes.email.endsWith("@spam.example")) throw new Error("We know no spam.example");
  if (validationData?.invitation === "welcome") {
    event.response.autoConfirmUser = true;
    event.response.autoVerifyEmail = true;
  }
  return event;
};

export const postConfirmation = async (event) => {
  const { triggerSource, userPoolId: UserPoolId, userName: Username } = event;
  if (triggerSource === "PostConfirmation_ConfirmSignUp") {
    await cognito.send(new AdminAddUserToGroupCommand({ UserPoolId, Username, GroupName: "members" }));
  }
  return event;
};

export const customMessage = async ({ triggerSource, request, response, ...event }) => {
  const code = request.codeParameter;
  if (triggerSource === "CustomMessage_SignUp") {
    const greeting = { en: "Welcome", de: "Schön, dass du da bist" }[request.clientMetadata?.language ?? "en"];
    response.emailSubject = `${greeting}!`;
    response.emailMessage = `<p>${greeting}. Your code is <b>${code}</b>.</p>`;
  } else if (triggerSource === "CustomMessage_AdminCreateUser") {
    response.emailSubject = "You are invited";
    response.emailMessage = `Sign in as ${request.usernameParameter} with ${code}.`;
    response.smsMessage = `${request.usernameParameter}, ${code}`;
  }
  return { ...event, triggerSource, request, response };
};

export const preAuthentication = async (event) => {
  if (event.request.validationData?.country === "nowhere") throw new Error("Nobody signs in from nowhere");
  return event;
};

export const postAuthentication = async (event) => {
  const { userPoolId: UserPoolId, userName: Username } = event;
  const UserAttributes = [{ Name: "nickname", Value: `new device: ${event.request.newDeviceUsed}` }];
  await cognito.send(new AdminUpdateUserAttributesCommand({ UserPoolId, Username, UserAttributes }));
  return event;
};

export const inboundFederation = async (event) => {
  const { email, "cognito:username": username } = event.request.attributes.idToken;
  event.response.userAttributesToMap = { email, nick: `friend ${username}` };
  return event;
};

export const tokenV1 = async (event) => {
  event.response = {
    claimsOverrideDetails: {
      claimsToAddOrOverride: { plan: "gold" },
      claimsToSuppress: ["email"],
      groupOverrideDetails: { groupsToOverride: [...event.request.groupConfiguration.groupsToOverride, "guests"] },
    },
  };
  return event;
};

export const tokenV2 = async (event) => {
  event.response = {
    claimsAndScopeOverrideDetails: {
      idTokenGeneration: { claimsToAddOrOverride: { plan: "gold" }, claimsToSuppress: ["email"] },
      accessTokenGeneration: {
        claimsToAddOrOverride: { tenant: event.request.userAttributes.email.split("@")[1] },
        scopesToAdd: ["shop/buy"],
      },
    },
  };
  return event;
};

// Handlers with a callback are still about.
export const tokenV3 = (event, context, callback) => {
  if (event.triggerSource === "TokenGeneration_ClientCredentials") {
    event.response.claimsAndScopeOverrideDetails = {
      accessTokenGeneration: {
        claimsToAddOrOverride: { tenant: event.request.clientMetadata?.tenant ?? "none" },
        scopesToSuppress: ["files/write"],
      },
    };
  }
  callback(null, event);
};

export const userMigration = async (event) => {
  const user = directory[event.userName];
  if (user === undefined) return event;
  if (event.triggerSource === "UserMigration_Authentication") {
    if (event.request.password !== user.password) throw new Error("Bad password");
    event.response.finalUserStatus = "CONFIRMED";
  }
  event.response.userAttributes = { email: user.email, email_verified: "true", name: user.name };
  event.response.messageAction = "SUPPRESS";
  return event;
};

export const customEmailSender = async (event) => {
  console.log("mail", JSON.stringify(event));
};

export const customSmsSender = async (event) => {
  console.log("text", JSON.stringify(event));
};

export const refuse = async (event) => {
  throw new Error(`${event.triggerSource} is not for today`);
};

// The user's name says how.
export const broken = async (event) => {
  switch (event.userName.split("-")[0]) {
    case "throw":
      throw new RangeError("No, not you!");
    case "exit":
      return process.exit(3);
    case "nothing":
      return undefined;
    case "text":
      return "fine";
    case "dropped":
      return { response: event.response };
    case "casing":
      return { TriggerSource: event.triggerSource, Response: { autoConfirmUser: true } };
    case "type":
      event.response.autoConfirmUser = "yes";
      return event;
    case "hang":
      return new Promise((resolve) => setTimeout(resolve, 3_600_000));
  }
  return event;
};
