// aws-jwt-verify, which reads keys by https alone, with a fetcher for the server under test, which is on plain http.

import assert from "node:assert/strict";
import { JwtVerifier } from "aws-jwt-verify";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";

/** A verifier that knows no keys yet, and keeps those that it has read; `address` says where a URI leads. */
export function verifierOf(properties, address = (uri) => uri) {
  const fetcher = {
    async fetch(uri) {
      const answer = await fetch(address(uri));
      assert.equal(answer.status, 200, uri);
      return answer.arrayBuffer();
    },
  };
  return JwtVerifier.create(properties, { jwksCache: new SimpleJwksCache({ fetcher }) });
}
