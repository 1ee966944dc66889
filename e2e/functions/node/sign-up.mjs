// Signs users up with the SDK for JavaScript, and prints what comes of each as JSON, a line each.
// Arguments: endpoint, client, usernames.

import { CognitoIdentityProviderClient, SignUpCommand } from "@aws-sdk/client-cognito-identity-provider";

const [endpoint, ClientId, ...usernames] = process.argv.slice(2);
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const cognito = new CognitoIdentityProviderClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });

for (const Username of usernames) {
  const UserAttributes = [{ Name: "email", Value: `${Username}@example.com` }];
  try {
    const answer = await cognito.send(
      new SignUpCommand({ ClientId, Username, Password: "Correct-horse-1", UserAttributes }),
    );
    console.log(JSON.stringify({ confirmed: answer.UserConfirmed }));
  } catch (error) {
    const { name, message, $fault, $metadata } = error;
    console.log(JSON.stringify({ name, message, fault: $fault, status: $metadata.httpStatusCode }));
  }
}
