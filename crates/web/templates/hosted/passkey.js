// Asks the browser for a passkey, and sends what it answers with the form.
const form = document.forms.passkeyForm;

const decoded = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function ask() {
  const options = JSON.parse(JSON.parse(form.elements.shown.value).CREDENTIAL_REQUEST_OPTIONS);
  options.challenge = decoded(options.challenge);
  options.allowCredentials = options.allowCredentials?.map((one) => ({ ...one, id: decoded(one.id) }));
  const credential = await navigator.credentials.get({ publicKey: options });
  const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
  return JSON.stringify({
    id: credential.id,
    rawId: encoded(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      clientDataJSON: encoded(clientDataJSON),
      authenticatorData: encoded(authenticatorData),
      signature: encoded(signature),
      userHandle: userHandle ? encoded(userHandle) : undefined,
    },
  });
}

function say(text) {
  const said = document.createElement("p");
  said.id = "error";
  said.className = "errorMessage-customizable";
  said.setAttribute("role", "alert");
  said.textContent = text;
  form.before(said);
}

let isAsking = false;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  // Browsers refuse a second question while the first one waits, as after a double click.
  if (isAsking) return;
  isAsking = true;
  // What was wrong before, as the server or this script has said.
  document.getElementById("error")?.remove();
  try {
    form.elements.credential.value = await ask();
    form.submit();
  } catch {
    say("The passkey could not be used. Try again, or begin anew and sign in another way.");
  } finally {
    isAsking = false;
  }
});
