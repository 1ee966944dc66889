#!/usr/bin/env python3
"""Makes the fixtures of this folder with independent implementations: canonical.json with libxml2, the signed messages
with xmlsec1. Tests need neither. Run it here; it writes the same canonical.json each time.

The keys in crates/crypto/tests/data (xml-signature-*.pkcs8.der) were made with `openssl genrsa 2048` and `openssl ecparam -name
prime256v1 -genkey`; each has signed its own certificate, valid from 2020 to the end of 2099, with `openssl ca -selfsign`."""

import ctypes
import json
import pathlib
import random
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
KEYS = HERE / "../../../crypto/tests/data"
SAML = "urn:oasis:names:tc:SAML:2.0"

# ---- Canonical forms

WRITTEN = [
    ('<a:r xmlns:a="u:a" xmlns:b="u:b"><x ID="apex" xmlns="u:x" b:p="1" q="2"><a:y xmlns:b="u:c" b:z=""/></x></a:r>', ["", "a", "b", "a b #default"]),
    ('<r xmlns="u:r"><x ID="apex" xmlns=""><y xmlns="u:r"><z xmlns=""/></y></x></r>', ["", "#default"]),
    ('<r xmlns="u:r"><p:x xmlns:p="u:p" ID="apex"><p:y xmlns="u:s"><z xmlns=""/></p:y></p:x></r>', ["", "#default", "p"]),
    ('<r xmlns:p="u:1"><p:x ID="apex" xmlns:p="u:2"><p:y xmlns:p="u:1"/><q:z xmlns:q="u:2" q:b="" a="" p:a=""/></p:x></r>', ["", "p q"]),
    ('<r xmlns:p="u:p" xmlns:q="u:p"><x ID="apex" p:b="1" q:a="2" c="3" xml:lang="de"><p:y/><q:y/></x></r>', ["", "p", "xml"]),
    ('<x ID="apex" a="&lt;&gt;&amp;&quot;&#39;&#9;&#10;&#13;  b" b=\'"\'>&lt;&gt;&amp;&quot;&#39;&#9;&#10;&#13;]]&gt;</x>', [""]),
    ('<x ID="apex" a="1\n2\t3\r\n4">1\r\n2\r3\n4<![CDATA[<&>]]]]><![CDATA[>\r\n]]></x>', [""]),
    ('<x   ID = "apex"\n  b="1"\ta="2"  ><!-- c -->t<!-- d -->u<y  /><z\n></z\n></x  >', [""]),
    ('<x ID="apex" é="ä">𝄞&#x1D11E;\u00a0&#160;\u2028</x>', [""]),
    ('<?xml version="1.0" encoding="UTF-8"?>\n<!-- c --><r>\n <x ID="apex">\n  <y/>\n </x>\n</r>\n<!-- d -->\n', [""]),
]


def drawn(rng, depth, prefixes):
    """A random element whose prefixes are declared, redeclared, used and left unused at random."""
    names = rng.sample(["", "a", "b", "c"], rng.randrange(3))
    own = {name: rng.choice(["u:1", "u:2", "u:3"]) for name in names}
    if "" in own and rng.random() < 0.3:
        own[""] = ""
    known = {**prefixes, **own}
    usable = [name for name in known if name]
    name = rng.choice(["", *usable])
    tag = f"{name}:{rng.choice('xyz')}" if name else rng.choice("xyz")
    declared = "".join(f' xmlns{":" if key else ""}{key}="{value}"' for key, value in own.items())
    attributes, used = "", set()
    for _ in range(rng.randrange(4)):
        prefix, local = rng.choice(["", *usable]), rng.choice("pqrs")
        if (known.get(prefix) if prefix else "", local) not in used:
            used.add((known.get(prefix) if prefix else "", local))
            value = rng.choice(["", "1", "&lt;&#9;", "a  b", "&quot;'"])
            attributes += f' {prefix}{":" if prefix else ""}{local}="{value}"'
    inner = "".join(
        rng.choice([" ", "t&amp;", "\n", "&#13;", "<!-- c -->", ""]) + drawn(rng, depth - 1, known)
        for _ in range(rng.randrange(3) if depth else 0)
    )
    apex = ' ID="apex"' if depth == 3 else ""
    return f"<{tag}{declared}{attributes}{apex}>{inner}</{tag}>"


def canonical_cases():
    rng = random.Random(17)
    cases = list(WRITTEN)
    while len(cases) < 150:
        outer = {name: rng.choice(["u:1", "u:2", "u:3"]) for name in rng.sample(["", "a", "b", "c"], 2)}
        declared = "".join(f' xmlns{":" if key else ""}{key}="{value}"' for key, value in outer.items())
        cases.append((f"<r{declared}>{drawn(rng, 3, outer)}</r>", ["", rng.choice(["a", "b c", "#default", "a #default"])]))
    for text, lists in cases:
        for prefixes in lists:
            yield {"input": text, "prefixes": prefixes, "output": canonical(text, prefixes.split())}


def canonical(text, prefixes):
    """The canonical form of the element whose ID is apex, by libxml2."""
    xml = ctypes.CDLL("libxml2.so.2")
    for name in ("xmlReadMemory", "xmlXPathNewContext", "xmlXPathEvalExpression"):
        getattr(xml, name).restype = ctypes.c_void_p
    data = text.encode()
    document = ctypes.c_void_p(xml.xmlReadMemory(data, len(data), None, None, 0))
    context = ctypes.c_void_p(xml.xmlXPathNewContext(document))
    nodes = xml.xmlXPathEvalExpression(b"(//. | //@* | //namespace::*)[ancestor-or-self::*[@ID='apex']]", context)
    # struct _xmlXPathObject { xmlXPathObjectType type; xmlNodeSetPtr nodesetval; … }
    node_set = ctypes.c_void_p.from_address(nodes + 8)
    listed = (ctypes.c_char_p * (len(prefixes) + 1))(*[prefix.encode() for prefix in prefixes], None)
    output = ctypes.c_char_p()
    length = xml.xmlC14NDocDumpMemory(document, node_set, 1, listed, 0, ctypes.byref(output))
    assert length > 0, text
    return ctypes.string_at(output, length).decode()


# ---- Signed messages

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
SHA = {"256": "http://www.w3.org/2001/04/xmlenc#sha256", "384": MORE + "sha384", "512": "http://www.w3.org/2001/04/xmlenc#sha512", "1": "http://www.w3.org/2000/09/xmldsig#sha1"}


def signature(uri, method=MORE + "rsa-sha256", digest="256", prefixes="", transforms=None):
    listed = f'<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{prefixes}"/>' if prefixes else ""
    if transforms is None:
        transforms = f'<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">{listed}</ds:Transform>'
    return (
        f'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="{method}"/>'
        f'<ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm="{SHA[digest]}"/><ds:DigestValue/></ds:Reference>'
        f"</ds:SignedInfo><ds:SignatureValue/></ds:Signature>"
    )


def assertion(signature):
    return f"""<saml:Assertion xmlns:saml="{SAML}:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_assertion" IssueInstant="2026-01-02T03:04:00.123Z" Version="2.0">
  <saml:Issuer>https://idp.example</saml:Issuer>{signature}
  <saml:Subject>
    <saml:NameID Format="{SAML.replace('2.0', '1.1')}:nameid-format:emailAddress">alice<!-- not the end -->@example.com</saml:NameID>
    <saml:SubjectConfirmation Method="{SAML}:cm:bearer"><saml:SubjectConfirmationData InResponseTo="_request" NotOnOrAfter="2026-01-02T03:09:00Z" Recipient="https://pool.example/saml2/idpresponse"/></saml:SubjectConfirmation>
  </saml:Subject>
  <saml:Conditions NotBefore="2026-01-02T03:03:00Z" NotOnOrAfter="2026-01-02T03:10:00Z"><saml:AudienceRestriction><saml:Audience>urn:amazon:cognito:sp:us-east-1_A</saml:Audience></saml:AudienceRestriction></saml:Conditions>
  <saml:AuthnStatement AuthnInstant="2026-01-02T03:04:00Z" SessionIndex="_session"><saml:AuthnContext><saml:AuthnContextClassRef>{SAML}:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
  <saml:AttributeStatement>
    <saml:Attribute Name="mail"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">alice@example.com</saml:AttributeValue></saml:Attribute>
    <saml:Attribute Name="groups"><saml:AttributeValue>R &amp; D</saml:AttributeValue><saml:AttributeValue>Büro &lt;1&gt;</saml:AttributeValue></saml:Attribute>
  </saml:AttributeStatement>
</saml:Assertion>"""


def response(signature, inner):
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<samlp:Response xmlns:samlp="{SAML}:protocol" Destination="https://pool.example/saml2/idpresponse" ID="_response" InResponseTo="_request" IssueInstant="2026-01-02T03:04:00Z" Version="2.0">
  <saml:Issuer xmlns:saml="{SAML}:assertion">https://idp.example</saml:Issuer>{signature}
  <samlp:Status><samlp:StatusCode Value="{SAML}:status:Success"/></samlp:Status>
  {inner}
</samlp:Response>
"""


def pem(folder, der):
    path = folder / f"{der}.pem"
    subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", KEYS / f"{der}.pkcs8.der", "-out", path], check=True)
    return ["--privkey-pem", str(path)]


def signed(name, text, keys):
    """Signs the innermost signature first; each with the next key."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for place, key in keys:
            (folder / "in.xml").write_text(text)
            select = ["--node-xpath", f"//*[local-name()='{place}']/*[local-name()='Signature']"]
            ids = ["--id-attr:ID", f"{SAML}:assertion:Assertion", "--id-attr:ID", f"{SAML}:protocol:Response"]
            arguments = ["--hmackey", str(KEYS / key)] if key.endswith(".der") else pem(folder, key)
            subprocess.run(["xmlsec1", "--sign", *ids, *select, *arguments, "--output", folder / "out.xml", folder / "in.xml"], check=True)
            text = (folder / "out.xml").read_text()
    (HERE / name).write_text(text)


def main():
    (HERE / "canonical.json").write_text(json.dumps(list(canonical_cases()), ensure_ascii=False, indent=0) + "\n")
    rsa, ec = "xml-signature-rsa", "xml-signature-ec"
    signed("response-signed.xml", response(signature("#_response"), assertion("")), [("Response", rsa)])
    signed("response-signed-empty-uri.xml", response(signature("", MORE + "rsa-sha384", "384"), assertion("")), [("Response", rsa)])
    signed("assertion-signed.xml", response("", assertion(signature("#_assertion", MORE + "ecdsa-sha256", prefixes="xs #default"))), [("Assertion", ec)])
    both = response(signature("#_response", MORE + "rsa-sha512", "512"), assertion(signature("#_assertion")))
    signed("both-signed.xml", both, [("Assertion", rsa), ("Response", rsa)])
    signed("assertion-alone.xml", assertion(signature("#_assertion", prefixes="xs")), [("Assertion", rsa)])
    # What has to be refused although another implementation makes it.
    sha1 = signature("#_assertion", "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "1")
    signed("refused-sha1.xml", assertion(sha1), [("Assertion", rsa)])
    signed("refused-sha1-digest.xml", assertion(signature("#_assertion", digest="1")), [("Assertion", rsa)])
    hmac = signature("#_assertion", MORE + "hmac-sha256")
    signed("refused-hmac.xml", assertion(hmac), [("Assertion", "xml-signature-rsa.der")])
    xpath = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::*[local-name()="Subject"])</ds:XPath></ds:Transform>'
    signed("refused-xpath.xml", assertion(signature("#_assertion", transforms=xpath)), [("Assertion", rsa)])
    inclusive = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'
    signed("refused-inclusive.xml", assertion(signature("#_assertion", transforms=inclusive)), [("Assertion", rsa)])


main()
