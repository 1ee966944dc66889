// One handler for each trigger, written against the public definitions of their events.

import {
  AdminAddUserToGroupCommand,
  AdminUpdateUserAttributesCommand,
  CognitoIdentityProviderClient,
} from "@aws-sdk/client-cognito-identity-provider";
import type {
  CreateAuthChallengeTriggerHandler,
  CustomEmailSenderTriggerHandler,
  CustomMessageTriggerHandler,
  CustomSMSSenderTriggerHandler,
  DefineAuthChallengeTriggerHandler,
  InboundFederationTriggerHandler,
  PostAuthenticationTriggerHandler,
  PostConfirmationTriggerHandler,
  PreAuthenticationTriggerHandler,
  PreSignUpTriggerHandler,
  PreTokenGenerationTriggerHandler,
  PreTokenGenerationV2TriggerHandler,
  PreTokenGenerationV3TriggerHandler,
  UserMigrationTriggerHandler,
  VerifyAuthChallengeResponseTriggerHandler,
} from "aws-lambda";

interface Known {
  password: string;
  email: string;
  name: string;
}

const cognito = new CognitoIdentityProviderClient({});

// What another directory knows.
const directory = new Map<string, Known>([
  ["olga", { password: "old secret", email: "olga@example.com", name: "Olga" }],
]);
const greetings: Record<string, string> = { en: "Welcome", de: "Schön, dass du da bist" };

export const preSignUp: PreSignUpTriggerHandler = async (event) => {
  const { userAttributes, validationData } = event.request;
  if (userAttributes.email?.endsWith("@spam.example")) throw new Error("We know no spam.example");
  if (validationData?.invitation === "welcome") {
    event.response.autoConfirmUser = true;
    event.response.autoVerifyEmail = true;
  }
  return event;
};

export const postConfirmation: PostConfirmationTriggerHandler = async (event) => {
  const { triggerSource, userPoolId: UserPoolId, userName: Username } = event;
  if (triggerSource === "PostConfirmation_ConfirmSignUp") {
    await cognito.send(new AdminAddUserToGroupCommand({ UserPoolId, Username, GroupName: "members" }));
  }
  return event;
};

export const customMessage: CustomMessageTriggerHandler = async (event) => {
  const { request, response } = event;
  const code = request.codeParameter;
  if (event.triggerSource === "CustomMessage_SignUp") {
    const greeting = greetings[request.clientMetadata?.language ?? "en"];
    response.emailSubject = `${greeting}!`;
    response.emailMessage = `<p>${greeting}. Your code is <b>${code}</b>.</p>`;
  } else if (event.triggerSource === "CustomMessage_AdminCreateUser") {
    response.emailSubject = "You are invited";
    response.emailMessage = `Sign in as ${request.usernameParameter} with ${code}.`;
    response.smsMessage = `${request.usernameParameter}, ${code}`;
  }
  return event;
};

export const preAuthentication: PreAuthenticationTriggerHandler = async (event) => {
  if (event.request.validationData?.country === "nowhere") throw new Error("Nobody signs in from nowhere");
  return event;
};

export const postAuthentication: PostAuthenticationTriggerHandler = async (event) => {
  const { userPoolId: UserPoolId, userName: Username } = event;
  const UserAttributes = [{ Name: "nickname", Value: `new device: ${event.request.newDeviceUsed}` }];
  await cognito.send(new AdminUpdateUserAttributesCommand({ UserPoolId, Username, UserAttributes }));
  return event;
};

export const inboundFederation: InboundFederationTriggerHandler = async (event) => {
  const { email, "cognito:username": username } = event.request.attributes.idToken ?? {};
  event.response.userAttributesToMap = { email: email ?? "", nick: `friend ${username}` };
  return event;
};

export const tokenV1: PreTokenGenerationTriggerHandler = async (event) => {
  event.response = {
    claimsOverrideDetails: {
      claimsToAddOrOverride: { plan: "gold" },
      claimsToSuppress: ["email"],
      groupOverrideDetails: {
        groupsToOverride: [...(event.request.groupConfiguration.groupsToOverride ?? []), "guests"],
      },
    },
  };
  return event;
};

export const tokenV2: PreTokenGenerationV2TriggerHandler = async (event) => {
  event.response = {
    claimsAndScopeOverrideDetails: {
      idTokenGeneration: { claimsToAddOrOverride: { plan: "gold" }, claimsToSuppress: ["email"] },
      accessTokenGeneration: {
        claimsToAddOrOverride: { tenant: event.request.userAttributes.email?.split("@")[1] ?? "none" },
        scopesToAdd: ["shop/buy"],
      },
    },
  };
  return event;
};

export const tokenV3: PreTokenGenerationV3TriggerHandler = (event, _context, callback) => {
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

export const userMigration: UserMigrationTriggerHandler = async (event) => {
  const user = directory.get(event.userName);
  if (user === undefined) return event;
  if (event.triggerSource === "UserMigration_Authentication") {
    if (event.request.password !== user.password) throw new Error("Bad password");
    event.response.finalUserStatus = "CONFIRMED";
  }
  event.response.userAttributes = { email: user.email, email_verified: "true", name: user.name };
  event.response.messageAction = "SUPPRESS";
  return event;
};

export const customEmailSender: CustomEmailSenderTriggerHandler = async (event) => {
  console.log("mail", JSON.stringify(event));
};

export const customSmsSender: CustomSMSSenderTriggerHandler = async (event) => {
  console.log("text", JSON.stringify(event));
};

export const defineAuthChallenge: DefineAuthChallengeTriggerHandler = async (event) => {
  const last = event.request.session.at(-1);
  event.response.issueTokens = last?.challengeName === "CUSTOM_CHALLENGE" && last.challengeResult;
  event.response.failAuthentication = last?.challengeResult === false;
  if (last === undefined) event.response.challengeName = "CUSTOM_CHALLENGE";
  return event;
};

export const createAuthChallenge: CreateAuthChallengeTriggerHandler = async (event) => {
  event.response.publicChallengeParameters = { question: "6 × 7" };
  event.response.privateChallengeParameters = { answer: "42" };
  event.response.challengeMetadata = "SUM";
  return event;
};

export const verifyAuthChallengeResponse: VerifyAuthChallengeResponseTriggerHandler = async (event) => {
  const { challengeAnswer, privateChallengeParameters } = event.request;
  event.response.answerCorrect = challengeAnswer === privateChallengeParameters.answer;
  return event;
};
