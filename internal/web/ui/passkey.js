// Uses and creates passkeys (Web Authentication). A form with data-passkey is hidden until this script has
// found that the browser can do it. Its button asks the authenticator, and the form sends the response in
// its field "credential". Nothing is fetched: the options are in the page.
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// The methods for JSON are missing in older browsers, and password managers that replace
// navigator.credentials return objects whose methods throw.
const attempt = (call) => { try { return call(); } catch { return undefined; } };

function readOptions(text) {
  const options = JSON.parse(text);
  options.challenge = decode(options.challenge);
  if (options.user) options.user.id = decode(options.user.id);
  for (const c of [...(options.allowCredentials ?? []), ...(options.excludeCredentials ?? [])]) c.id = decode(c.id);
  return options;
}

function writeResponse(credential) {
  const { response } = credential;
  const out = { clientDataJSON: encode(response.clientDataJSON) };
  if (response.attestationObject) {
    out.attestationObject = encode(response.attestationObject);
    out.transports = attempt(() => response.getTransports()) ?? [];
  } else {
    out.authenticatorData = encode(response.authenticatorData);
    out.signature = encode(response.signature);
    if (response.userHandle) out.userHandle = encode(response.userHandle);
  }
  const id = encode(credential.rawId);
  return JSON.stringify({ id, rawId: id, type: credential.type, clientExtensionResults: attempt(() => credential.getClientExtensionResults()) ?? {}, response: out });
}

// A browser has one request at a time: the next one aborts the one before.
let current;

async function ask(form, mediation) {
  current?.abort();
  current = new AbortController();
  const request = { publicKey: readOptions(form.dataset.options), signal: current.signal };
  if (mediation) request.mediation = mediation;
  const credential = await (form.dataset.passkey === "create" ? navigator.credentials.create(request) : navigator.credentials.get(request));
  form.elements.credential.value = writeResponse(credential);
  const remember = document.getElementById("remember");
  if (remember && form.elements.remember) form.elements.remember.value = remember.checked ? "on" : "";
  if (PublicKeyCredential.signalAllAcceptedCredentials) form.elements.signals.value = "yes";
  form.submit();
}

// In the background the browser offers passkeys among the suggestions of a field, or creates one right after
// a sign-in with a saved password. Users who ignore that see nothing.
function askInBackground(form, can) {
  if (form.dataset.conditional === "yes" && can[form.dataset.passkey === "create" ? "conditionalCreate" : "conditionalGet"]) {
    ask(form, "conditional").catch(() => {});
  }
}

async function capabilities() {
  const can = (await PublicKeyCredential.getClientCapabilities?.().catch(() => undefined)) ?? {};
  can.conditionalGet ??= (await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false;
  can.userVerifyingPlatformAuthenticator ??= await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  return can;
}

function start(form, can) {
  const failed = form.querySelector("[data-failed]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    failed.hidden = true;
    ask(form).catch((error) => {
      if (error.name === "AbortError") return;
      failed.textContent = error.name === "InvalidStateError" ? failed.dataset.known : failed.dataset.failed;
      failed.hidden = false;
      askInBackground(form, can);
    });
  });
  form.hidden = false;
  askInBackground(form, can);
}

if (window.PublicKeyCredential) {
  document.querySelector("[data-no-passkeys]")?.remove();
  capabilities().then((can) => {
    for (const form of document.querySelectorAll("form[data-passkey]")) start(form, can);
    const field = document.querySelector("input[name=passkeys]");
    if (field && (can.userVerifyingPlatformAuthenticator || can.conditionalCreate)) field.value = "yes";
  });
  // Tells authenticators which passkeys work (WebAuthn §5.1.10), where the browser can.
  const signals = document.querySelector("[data-signals]");
  for (const [method, options] of Object.entries(JSON.parse(signals?.dataset.signals ?? "{}"))) {
    PublicKeyCredential[method]?.(options).catch(() => {});
  }
}
