// @aws-sdk/client-cognito-identity-provider and everything an administrator does with accounts.

import assert from "node:assert/strict";
import test from "node:test";
import {
  AddUserPoolClientSecretCommand,
  AdminAddUserToGroupCommand,
  AdminCreateUserCommand,
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  AdminUpdateUserAttributesCommand,
  AliasExistsException,
  CreateGroupCommand,
  CreateIdentityProviderCommand,
  CreateResourceServerCommand,
  CreateUserImportJobCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  CreateUserPoolDomainCommand,
  DeleteGroupCommand,
  DeleteUserPoolDomainCommand,
  DescribeUserImportJobCommand,
  DescribeUserPoolCommand,
  GetCSVHeaderCommand,
  GetGroupCommand,
  GetUserCommand,
  GroupExistsException,
  InitiateAuthCommand,
  InvalidParameterException,
  ListIdentityProvidersCommand,
  ListTagsForResourceCommand,
  ListUserPoolClientSecretsCommand,
  ListUsersInGroupCommand,
  paginateListGroups,
  paginateListUsers,
  ResourceNotFoundException,
  StartUserImportJobCommand,
  TagResourceCommand,
  UpdateUserAttributesCommand,
  VerifyUserAttributeCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { client, confirmedUser, createPool, freshName, nextCode, password, send } from "./support.mjs";

const pool = await createPool();

function values(attributes) {
  return Object.fromEntries(attributes.map(({ Name, Value }) => [Name, Value]));
}

async function accessToken(username) {
  const { AuthenticationResult: tokens } = await send(InitiateAuthCommand, {
    ClientId: pool.clientId,
    AuthFlow: "USER_PASSWORD_AUTH",
    AuthParameters: { USERNAME: username, PASSWORD: password },
  });
  return tokens.AccessToken;
}

test("a changed address is verified", async () => {
  const username = await confirmedUser(pool, "mover");
  const token = await accessToken(username);
  const changed = await send(UpdateUserAttributesCommand, {
    AccessToken: token,
    UserAttributes: [{ Name: "email", Value: `${username}@new.example.com` }],
  });
  assert.equal(changed.CodeDeliveryDetailsList.length, 1);
  const before = values((await send(GetUserCommand, { AccessToken: token })).UserAttributes);
  assert.equal(before.email_verified, "false");
  const code = await nextCode(pool, username, "UpdateUserAttribute");
  await send(VerifyUserAttributeCommand, { AccessToken: token, AttributeName: "email", Code: code });
  const after = values((await send(GetUserCommand, { AccessToken: token })).UserAttributes);
  assert.deepEqual([after.email, after.email_verified], [`${username}@new.example.com`, "true"]);
});

test("an alias has one owner", async () => {
  const made = await send(CreateUserPoolCommand, { PoolName: freshName("pool"), AliasAttributes: ["email"] });
  const id = made.UserPool.Id;
  for (const username of ["one", "two"]) {
    await send(AdminCreateUserCommand, { UserPoolId: id, Username: username, MessageAction: "SUPPRESS" });
  }
  const take = (username) =>
    send(AdminUpdateUserAttributesCommand, {
      UserPoolId: id,
      Username: username,
      UserAttributes: [
        { Name: "email", Value: "shared@example.com" },
        { Name: "email_verified", Value: "true" },
      ],
    });
  await take("one");
  await assert.rejects(take("two"), AliasExistsException);
});

test("groups come, are listed page by page, and go", async () => {
  const username = await confirmedUser(pool, "member");
  const names = Array.from({ length: 5 }, (_, number) => `${freshName("group")}-${number}`);
  for (const GroupName of names) {
    await send(CreateGroupCommand, { UserPoolId: pool.id, GroupName });
    await send(AdminAddUserToGroupCommand, { UserPoolId: pool.id, GroupName, Username: username });
  }
  await assert.rejects(send(CreateGroupCommand, { UserPoolId: pool.id, GroupName: names[0] }), GroupExistsException);
  const listed = [];
  for await (const page of paginateListGroups({ client, pageSize: 2 }, { UserPoolId: pool.id })) {
    assert.ok(page.Groups.length <= 2);
    listed.push(...page.Groups.map((group) => group.GroupName));
  }
  assert.deepEqual(listed.filter((name) => names.includes(name)).sort(), [...names].sort());
  const members = await send(ListUsersInGroupCommand, { UserPoolId: pool.id, GroupName: names[0] });
  assert.deepEqual(members.Users.map((user) => user.Username), [username]);
  await send(DeleteGroupCommand, { UserPoolId: pool.id, GroupName: names[0] });
  await assert.rejects(send(GetGroupCommand, { UserPoolId: pool.id, GroupName: names[0] }), ResourceNotFoundException);
  const left = await send(AdminListGroupsForUserCommand, { UserPoolId: pool.id, Username: username });
  assert.deepEqual(left.Groups.map((group) => group.GroupName).sort(), names.slice(1).sort());
});

test("users are found by a prefix", async () => {
  const made = await send(CreateUserPoolCommand, { PoolName: freshName("pool") });
  for (const [username, name] of [["a", "Zoe"], ["b", "Zoé"], ["c", "Adam"]]) {
    await send(AdminCreateUserCommand, {
      UserPoolId: made.UserPool.Id,
      Username: username,
      MessageAction: "SUPPRESS",
      UserAttributes: [{ Name: "name", Value: name }],
    });
  }
  const found = async (Filter) => {
    const users = [];
    for await (const page of paginateListUsers({ client, pageSize: 1 }, { UserPoolId: made.UserPool.Id, Filter })) {
      users.push(...page.Users.map((user) => user.Username));
    }
    return users.sort();
  };
  assert.deepEqual(await found('name ^= "Zo"'), ["a", "b"]);
  assert.deepEqual(await found('name = "Zoé"'), ["b"]);
  await assert.rejects(found("name"), InvalidParameterException);
});

test("pools keep what surrounds them", async () => {
  const made = await send(CreateUserPoolCommand, { PoolName: freshName("pool") });
  const { Id: UserPoolId, Arn: ResourceArn } = made.UserPool;
  await send(TagResourceCommand, { ResourceArn, Tags: { stage: "test" } });
  assert.deepEqual((await send(ListTagsForResourceCommand, { ResourceArn })).Tags, { stage: "test" });
  await send(CreateResourceServerCommand, {
    UserPoolId,
    Identifier: "orders",
    Name: "orders",
    Scopes: [{ ScopeName: "read", ScopeDescription: "May read" }],
  });
  await send(CreateIdentityProviderCommand, {
    UserPoolId,
    ProviderName: "Google",
    ProviderType: "Google",
    ProviderDetails: { client_id: "id", client_secret: "secret", authorize_scopes: "openid email" },
  });
  assert.equal((await send(ListIdentityProvidersCommand, { UserPoolId })).Providers.length, 1);
  const Domain = freshName("login");
  await send(CreateUserPoolDomainCommand, { UserPoolId, Domain });
  assert.equal((await send(DescribeUserPoolCommand, { UserPoolId })).UserPool.Domain, Domain);
  await send(DeleteUserPoolDomainCommand, { UserPoolId, Domain });
  const app = await send(CreateUserPoolClientCommand, { UserPoolId, ClientName: "app", GenerateSecret: true });
  const { ClientId } = app.UserPoolClient;
  await send(AddUserPoolClientSecretCommand, { UserPoolId, ClientId });
  assert.equal((await send(ListUserPoolClientSecretsCommand, { UserPoolId, ClientId })).ClientSecrets.length, 2);
});

test("users are imported", async () => {
  const { CSVHeader } = await send(GetCSVHeaderCommand, { UserPoolId: pool.id });
  const username = freshName("imported");
  const fields = {
    "cognito:username": username,
    "cognito:mfa_enabled": "false",
    email: `${username}@example.com`,
    email_verified: "true",
    phone_number_verified: "false",
  };
  const file = `${CSVHeader.join(",")}\n${CSVHeader.map((column) => fields[column] ?? "").join(",")}\n`;
  const { UserImportJob: job } = await send(CreateUserImportJobCommand, {
    UserPoolId: pool.id,
    JobName: "people",
    CloudWatchLogsRoleArn: "arn:aws:iam::123456789012:role/import",
  });
  const headers = { "x-amz-server-side-encryption": "aws:kms" };
  assert.equal((await fetch(job.PreSignedUrl, { method: "PUT", headers, body: file })).status, 200);
  const ask = { UserPoolId: pool.id, JobId: job.JobId };
  await send(StartUserImportJobCommand, ask);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { UserImportJob: now } = await send(DescribeUserImportJobCommand, ask);
    if (now.Status === "Succeeded") {
      assert.equal(now.ImportedUsers, 1);
      break;
    }
    assert.ok(["Pending", "InProgress"].includes(now.Status) && Date.now() < deadline, JSON.stringify(now));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const user = await send(AdminGetUserCommand, { UserPoolId: pool.id, Username: username });
  assert.equal(user.UserStatus, "RESET_REQUIRED");
});
