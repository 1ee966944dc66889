// Decrypts a code as a function does that sends messages: `node decrypt.mjs kms KEY_ARN` asks KMS, wherever the SDK
// finds it (AWS_ENDPOINT_URL_KMS); `node decrypt.mjs raw NAMESPACE NAME KEY_IN_BASE64` has the key itself. The message
// comes in base64 on standard input; plaintext and encryption context go to standard output as JSON.

import {
  buildClient,
  CommitmentPolicy,
  KmsKeyringNode,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from "@aws-crypto/client-node";

const [kind, ...rest] = process.argv.slice(2);

function keyring() {
  if (kind === "kms") return new KmsKeyringNode({ keyIds: rest });
  const [keyNamespace, keyName, key] = rest;
  // The SDK wipes the key when it is done, and must have it to itself.
  const unencryptedMasterKey = Uint8Array.from(Buffer.from(key, "base64"));
  const wrappingSuite = RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING;
  return new RawAesKeyringNode({ keyNamespace, keyName, unencryptedMasterKey, wrappingSuite });
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const message = Buffer.from(Buffer.concat(chunks).toString("ascii"), "base64");
const { decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT);
const { plaintext, messageHeader } = await decrypt(keyring(), message);
console.log(JSON.stringify({ plaintext: plaintext.toString("utf8"), context: messageHeader.encryptionContext }));
