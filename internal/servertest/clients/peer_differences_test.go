package clients_test

// difference describes how and why the responses of Watchword and oidc-provider differ.
// docs/spec.md shows all of them (TestPeerDocumented).
type difference struct {
	peer, watchword, why string
	what                 []string
}

var differences = []difference{
	{
		peer: "1", watchword: "1 2",
		why:  "Core §2 and EAP ACR Values 1.0; oidc-provider leaves them to the application",
		what: []string{"metadata: acr_values_supported"},
	},
	{
		peer: "acr auth_time email email_verified iss name sid sub updated_at", watchword: "acr amr aud auth_time email email_verified exp iat iss locale name nonce picture preferred_username sid sub updated_at",
		why:  "Discovery §3 means all claims that may be supplied",
		what: []string{"metadata: claims_supported"},
	},
	{
		peer: "absent", watchword: "ES256 EdDSA RS256",
		why:  "oidc-provider has signed responses (JARM) switched off",
		what: []string{"metadata: authorization_signing_alg_values_supported"},
	},
	{
		peer: "form_post fragment query", watchword: "form_post form_post.jwt fragment fragment.jwt jwt query query.jwt",
		why:  "oidc-provider has signed responses (JARM) switched off",
		what: []string{"metadata: response_modes_supported"},
	},
	{
		peer: "absent", watchword: "false",
		why:  "Both have the feature switched off; Watchword says so",
		what: []string{"metadata: client_id_metadata_document_supported"},
	},
	{
		peer: "ES256 Ed25519 EdDSA", watchword: "ES256 ES384 ES512 EdDSA PS256 PS384 PS512",
		why:  "Every algorithm with a public key is accepted, except PKCS #1 v1.5 signatures, which FAPI 2.0 rules out",
		what: []string{"metadata: dpop_signing_alg_values_supported"},
	},
	{
		peer: "authorization_code client_credentials refresh_token urn:ietf:params:oauth:grant-type:device_code", watchword: "authorization_code client_credentials refresh_token urn:ietf:params:oauth:grant-type:device_code urn:ietf:params:oauth:grant-type:token-exchange",
		why:  "oidc-provider has no token exchange (RFC 8693)",
		what: []string{"metadata: grant_types_supported"},
	},
	{
		peer: "absent", watchword: "client_secret_basic client_secret_post private_key_jwt",
		why:  "RFC 8414 §2: if left out, revocation would mean only `client_secret_basic`, and introspection nothing",
		what: []string{"metadata: introspection_endpoint_auth_methods_supported"},
	},
	{
		peer: "absent", watchword: "ES256 EdDSA PS256 RS256",
		why:  "RFC 8414 §2: if left out, revocation would mean only `client_secret_basic`, and introspection nothing",
		what: []string{"metadata: introspection_endpoint_auth_signing_alg_values_supported", "metadata: revocation_endpoint_auth_signing_alg_values_supported"},
	},
	{
		peer: "absent", watchword: "client_secret_basic client_secret_post none private_key_jwt",
		why:  "RFC 8414 §2: if left out, revocation would mean only `client_secret_basic`, and introspection nothing",
		what: []string{"metadata: revocation_endpoint_auth_methods_supported"},
	},
	{
		peer: "absent", watchword: "consent create login none select_account",
		why:  "Discovery §3 and Initiating User Registration §4 define them",
		what: []string{"metadata: prompt_values_supported"},
	},
	{
		peer: "absent", watchword: "de en",
		why:  "Discovery §3 and Initiating User Registration §4 define them",
		what: []string{"metadata: ui_locales_supported"},
	},
	{
		peer: "false", watchword: "true",
		why:  "oidc-provider no longer accepts requests by reference; Watchword accepts registered ones (RFC 9101 §5.2)",
		what: []string{"metadata: request_uri_parameter_supported"},
	},
	{
		peer: "absent", watchword: "true",
		why:  "oidc-provider no longer accepts requests by reference; Watchword accepts registered ones (RFC 9101 §5.2)",
		what: []string{"metadata: require_request_uri_registration"},
	},
	{
		peer: "query request_uri_not_supported, iss state", watchword: "query invalid_request_uri, iss state",
		why:  "oidc-provider no longer accepts requests by reference; Watchword accepts registered ones (RFC 9101 §5.2)",
		what: []string{"authorize: AZ-28 request_uri at an internal address", "authorize: request_uri not registered"},
	},
	{
		peer: "email offline_access openid profile read", watchword: "email offline_access openid profile",
		why:  "Those of OpenID Connect, which every client may request; `read` belongs to the test",
		what: []string{"metadata: scopes_supported"},
	},
	{
		peer: "query invalid_request, iss state", watchword: "fragment invalid_request, iss state",
		why:  "Multiple Response Types §5: responses to requests for tokens go in the fragment, errors too, and `query` is not allowed",
		what: []string{"authorize: AZ-24 tokens in a query"},
	},
	{
		peer: "query unsupported_response_mode, iss state", watchword: "query invalid_request, iss state",
		why:  "`unsupported_response_mode` is in no registry",
		what: []string{"authorize: unknown response_mode"},
	},
	{
		peer: "asks the user", watchword: "query invalid_request, iss state",
		why:  "RFC 7636 §4.2: a SHA-256 has 43 characters, so no verifier can match",
		what: []string{"authorize: AZ-17 challenge of 64"},
	},
	{
		peer: "query invalid_request, iss state", watchword: "asks the user",
		why:  "Core §3.1.2.1; oidc-provider leaves it to the integrator",
		what: []string{"authorize: prompt=select_account", "signed in: prompt=select_account"},
	},
	{
		peer: "query invalid_request, iss state", watchword: "query invalid_scope, iss state",
		why:  "RFC 6749 §4.1.2.1, §5.2: nothing is left of the scope; oidc-provider ignores unknown scopes",
		what: []string{"authorize: unknown scope alone"},
	},
	{
		peer: "400 invalid_request", watchword: "400 invalid_scope",
		why:  "RFC 6749 §4.1.2.1, §5.2: nothing is left of the scope; oidc-provider ignores unknown scopes",
		what: []string{"push: unknown scope alone"},
	},
	{
		peer: "200 device_code expires_in user_code verification_uri verification_uri_complete", watchword: "400 invalid_scope",
		why:  "RFC 6749 §4.1.2.1, §5.2: nothing is left of the scope; oidc-provider ignores unknown scopes",
		what: []string{"device: begins, unknown scope"},
	},
	{
		peer: "query invalid_request, iss state", watchword: "asks the user",
		why:  "RFC 6749 §3.3 leaves it open; without `openid` it is a plain OAuth request for what is registered",
		what: []string{"authorize: no scope"},
	},
	{
		peer: "query invalid_request, iss state", watchword: "asks the user",
		why:  "Core §5.5: members that are not understood are ignored",
		what: []string{"authorize: claims without a known member"},
	},
	{
		peer: "asks the user", watchword: "query invalid_request, iss state",
		why:  "RFC 9449 §10: no key has that thumbprint, so no proof could ever match",
		what: []string{"authorize: dpop_jkt that is no thumbprint"},
	},
	{
		peer: "400", watchword: "415",
		why:  "RFC 9110 §15.5.14, §15.5.16: the status says what is wrong with the body",
		what: []string{"authorize: JSON body"},
	},
	{
		peer: "400 invalid_request", watchword: "415 invalid_request",
		why:  "RFC 9110 §15.5.14, §15.5.16: the status says what is wrong with the body",
		what: []string{"push: JSON", "token: TK-15 JSON", "token: TK-15 multipart", "introspect: JSON", "register: form instead of JSON"},
	},
	{
		peer: "400 invalid_request", watchword: "413 invalid_request",
		why:  "RFC 9110 §15.5.14, §15.5.16: the status says what is wrong with the body",
		what: []string{"token: body of 1 MiB"},
	},
	{
		peer: "404", watchword: "405",
		why:  "RFC 9110 §15.5.6: the address exists, and `Allow` says which methods it takes",
		what: []string{"authorize: PUT", "userinfo: PUT", "logout: PUT", "logout: discovery by POST", "logout: JWKS by POST"},
	},
	{
		peer: "404", watchword: "405 invalid_request",
		why:  "RFC 9110 §15.5.6: the address exists, and `Allow` says which methods it takes",
		what: []string{"push: AZ-34 GET", "token: TK-15 GET", "introspect: GET", "revoke: GET", "register: GET", "manage: POST"},
	},
	{
		peer: "500", watchword: "405 invalid_request",
		why:  "RFC 9110 §15.5.6: the address exists, and `Allow` says which methods it takes",
		what: []string{"device: begins by GET"},
	},
	{
		peer: "asks the user", watchword: "query code iss state",
		why:  "Core §3.1.2.1 says SHOULD; first-party clients need no consent",
		what: []string{"signed in: prompt=consent, the operator's own client"},
	},
	{
		peer: "query login_required, iss state", watchword: "query unmet_authentication_requirements, iss state",
		why:  "OpenID Connect Core Error Code unmet_authentication_requirements 1.0 is made for Core §5.5.1.1; no sign-in would help",
		what: []string{"signed in: acr that cannot be reached, essential"},
	},
	{
		peer: "query interaction_required, iss state", watchword: "query consent_required, iss state",
		why:  "Core §3.1.2.6: consent is missing",
		what: []string{"signed in: native client on the device and prompt=none"},
	},
	{
		peer: "page 400", watchword: "query invalid_request_object, iss state",
		why:  "RFC 6749 §4.1.2.1: client and redirect URI are valid, so the error goes to the client",
		what: []string{"request object: without client_id"},
	},
	{
		peer: "400 request_uri_not_supported", watchword: "400 invalid_request",
		why:  "RFC 9126 §2.1 forbids it; the code says that the request is wrong, not that the feature is missing",
		what: []string{"push: AZ-31 request_uri inside"},
	},
	{
		peer: "400 invalid_request", watchword: "401 invalid_client",
		why:  "RFC 6749 §5.2 names \"no client authentication included\" as `invalid_client`",
		what: []string{"push: without authentication", "token: without authentication", "device: begins, without authentication", "introspect: without authentication", "revoke: without authentication"},
	},
	{
		peer: "401 invalid_client · Basic invalid_client", watchword: "401 invalid_client · Basic",
		why:  "RFC 7617 §2 has no `error` in a Basic challenge; it is in the body",
		what: []string{"push: wrong secret", "token: TK-11 wrong secret in the header", "token: unknown client in the header"},
	},
	{
		peer: "query invalid_request_object, iss state", watchword: "query invalid_request_uri, iss state",
		why:  "RFC 9101 §7: what is wrong is the URI",
		what: []string{"pushed: AZ-30 used by another client"},
	},
	{
		peer: "200 access_token expires_in token_type", watchword: "200 access_token expires_in scope token_type",
		why:  "RFC 6749 §3.3, §5.1: without `scope` a machine gets what it is registered for, and the response says so; at oidc-provider it gets nothing",
		what: []string{"token: machine without scope", "DPoP: good", "DPoP: DP-02 htu with a query", "DPoP: DP-03 ten seconds old"},
	},
	{
		peer: "200 access_token expires_in token_type", watchword: "400 invalid_scope",
		why:  "RFC 6749 §4.1.2.1, §5.2: nothing is left of the scope; oidc-provider ignores unknown scopes",
		what: []string{"token: machine with unknown scope"},
	},
	{
		peer: "400 invalid_request", watchword: "400 unauthorized_client",
		why:  "RFC 6749 §5.2: the client is known and may not use the grant",
		what: []string{"token: TK-18 grant that the client may not use", "token: TK-18 code for a machine", "token: TK-19 public client as a machine", "refresh: of a client without the grant", "device: begins, client without the grant", "device: polls as a client without the grant"},
	},
	{
		peer: "400 unsupported_grant_type", watchword: "400 unauthorized_client",
		why:  "oidc-provider has no token exchange (RFC 8693); the client is not registered for it",
		what: []string{"token: token exchange without a token"},
	},
	{
		peer: "200 access_token expires_in token_type", watchword: "401 invalid_client",
		why:  "One method for each client, the registered one (RFC 7591 §2); oidc-provider accepts the secret either way",
		what: []string{"token: secret in the form, registered for the header"},
	},
	{
		peer: "400 invalid_request", watchword: "401 invalid_client · Basic",
		why:  "One method for each client, the registered one (RFC 7591 §2); oidc-provider accepts the secret either way",
		what: []string{"token: secret in the header, registered for the form"},
	},
	{
		peer: "400 invalid_request", watchword: "401 invalid_client · Basic",
		why:  "RFC 6749 §5.2: a client that fails with the header gets 401 and a challenge",
		what: []string{"token: broken Basic", "token: Basic without a colon", "token: Bearer instead of Basic"},
	},
	{
		peer: "401 invalid_client", watchword: "400 invalid_request",
		why:  "RFC 6749 §3.2: parameters come in the body, and any in the URL is refused, because URLs end up in logs",
		what: []string{"token: TK-14 secret in the URL"},
	},
	{
		peer: "400 invalid_grant", watchword: "401 invalid_client",
		why:  "RFC 7523 §3 and its revision: the audience is only the issuer, unless `oauth.assertion_audience` says otherwise",
		what: []string{"assertion: TK-23 for the token endpoint", "assertion: TK-23 for the issuer and another"},
	},
	{
		peer: "400 invalid_grant", watchword: "401 invalid_client",
		why:  "RFC 7523 §3 allows a limit: five minutes",
		what: []string{"assertion: TK-25 good for a day"},
	},
	{
		peer: "400 invalid_request", watchword: "401 invalid_client",
		why:  "RFC 7521 §4.2.1: an assertion that is not valid is `invalid_client`",
		what: []string{"assertion: that is no JWT"},
	},
	{
		peer: "400 invalid_request", watchword: "400 invalid_grant",
		why:  `RFC 6749 §5.2: the grant "does not match the redirection URI used in the authorization request"`,
		what: []string{"code: TK-04 no redirect_uri"},
	},
	{
		peer: "400 invalid_request", watchword: "400 invalid_grant",
		why:  "RFC 7636 §4.6: the verifier does not match, whatever its form",
		what: []string{"code: TK-08 verifier of 42", "code: TK-08 verifier with a space"},
	},
	{
		peer: "400 invalid_grant", watchword: "200 access_token expires_in id_token refresh_token scope token_type",
		why:  "While the successor has not been used, it is returned again ([tokens.md](tokens.md)), so that a lost response ends nothing",
		what: []string{"refresh: again at once"},
	},
	{
		peer: "200 device_code expires_in user_code verification_uri verification_uri_complete", watchword: "200 device_code expires_in interval user_code verification_uri verification_uri_complete",
		why:  "RFC 8628 §3.2: optional, and sent for clients that do not know the default of 5",
		what: []string{"device: begins"},
	},
	{
		peer: "400 authorization_pending", watchword: "400 slow_down",
		why:  "RFC 8628 §3.5; oidc-provider relies on limits in front of it",
		what: []string{"device: TK-33 polls too soon"},
	},
	{
		peer: "400 invalid_grant", watchword: "400 expired_token",
		why:  "RFC 8628 §3.5; the storage of oidc-provider has deleted the code by then",
		what: []string{"device: TK-34 too late"},
	},
	{
		peer: "400 invalid_dpop_proof", watchword: "200 access_token expires_in scope token_type",
		why:  "RFC 9449 §4.3 requires a nonce that was issued; nonces are off, and none was",
		what: []string{"DPoP: nonce that was not issued"},
	},
	{
		peer: "400 invalid_grant", watchword: "400 invalid_dpop_proof",
		why:  "RFC 9449 §5: what is wrong is the proof",
		what: []string{"DPoP: DP-04 twice", "DPoP: DP-09 client that requires DPoP, without a proof"},
	},
	{
		peer: "200 active client_id exp iat iss scope sub token_type", watchword: "401 invalid_client",
		why:  "RFC 7662 §2.1: only authenticated clients may introspect",
		what: []string{"introspect: public client"},
	},
	{
		peer: "200 active client_id exp iat iss scope sub token_type", watchword: "200 acr active amr aud auth_time client_id exp iat iss jti scope sid sub token_type",
		why:  "RFC 7662 §2.2: optional members, filled in where they are known",
		what: []string{"introspect: access token"},
	},
	{
		peer: "200 active client_id exp iat iss scope sub", watchword: "200 active client_id exp iat iss scope sid sub",
		why:  "RFC 7662 §2.2: optional members, filled in where they are known",
		what: []string{"introspect: refresh token", "introspect: refresh token, as an access token"},
	},
	{
		peer: "400 unsupported_token_type", watchword: "200 inactive",
		why:  "RFC 7662 §2.2: for anything but an access or refresh token of the issuer the response is `active` false",
		what: []string{"introspect: ID Token"},
	},
	{
		peer: "400 invalid_request · Bearer invalid_request", watchword: "401 invalid_token · Bearer",
		why:  "RFC 6750 §3.1: no token was presented, so the challenge has no error",
		what: []string{"userinfo: Basic"},
	},
	{
		peer: "401 invalid_token · Bearer invalid_token", watchword: "403 insufficient_scope · Bearer insufficient_scope",
		why:  "RFC 6750 §3.1: the token is valid and lacks the scope",
		what: []string{"userinfo: token of a machine"},
	},
	{
		peer: "400 invalid_request · DPoP invalid_request", watchword: "401 invalid_token · DPoP invalid_token",
		why:  "RFC 9449 §7.1, §7.2: 401, with the codes for it",
		what: []string{"userinfo: DP-06 bound token as Bearer"},
	},
	{
		peer: "400 invalid_request · DPoP invalid_request", watchword: "401 invalid_dpop_proof · DPoP invalid_dpop_proof",
		why:  "RFC 9449 §7.1, §7.2: 401, with the codes for it",
		what: []string{"userinfo: DPoP without a proof"},
	},
	{
		peer: "400 invalid_request", watchword: "400 invalid_client_metadata",
		why:  "RFC 7591 §3.2.2 has a code for it",
		what: []string{"register: a list"},
	},
	{
		peer: "201", watchword: "400 invalid_redirect_uri",
		why:  "All URLs are https, except loopback redirect URIs (RFC 9700 §2.6)",
		what: []string{"register: AZ-12 http"},
	},
	{
		peer: "201", watchword: "400 invalid_client_metadata",
		why:  "All URLs are https, except loopback redirect URIs (RFC 9700 §2.6)",
		what: []string{"register: jwks_uri over http"},
	},
	{
		peer: "201", watchword: "400 invalid_redirect_uri",
		why:  "RFC 8252 §7.1: any program can claim a scheme without a dot",
		what: []string{"register: scheme without a dot"},
	},
	{
		peer: "201", watchword: "400 invalid_client_metadata",
		why:  "RFC 7591 §2.1: grants and response types have to agree",
		what: []string{"register: response type without its grant"},
	},
	{
		peer: "400 invalid_client_metadata", watchword: "201",
		why: "RFC 7591 §2, §3.2.1: what a client can do without is left out, and the response says what was registered",
		what: []string{"register: unknown application_type", "register: unknown response type", "register: unknown subject_type", "register: ID Tokens with alg none",
			"register: ID Tokens with an unknown alg", "register: userinfo with an unknown alg", "register: request objects with alg none", "register: logo that is a number",
			"register: negative default_max_age", "register: default_max_age that is a text", "register: contacts that are a text", "register: unknown scope", "register: name that is a number"},
	},
	{
		peer: "201", watchword: "400 invalid_client_metadata",
		why:  "Self-registered clients act for users; machines are registered by operators",
		what: []string{"register: machine"},
	},
	{
		peer: "201", watchword: "400 invalid_client_metadata",
		why:  "RFC 10027 §6.1.7: only devices that an operator has registered may begin the flow",
		what: []string{"register: device"},
	},
	{
		peer: "201", watchword: "400 invalid_client_metadata",
		why:  "Encryption is not supported, and accepting the setting would promise it",
		what: []string{"register: encrypted ID Tokens"},
	},
	{
		peer: "asks the user", watchword: "page 200",
		why:  "RP-Initiated Logout §2: no user is signed in, so there is nothing to ask",
		what: []string{"logout: not signed in, no parameters", "logout: redirect URI without a client"},
	},
	{
		peer: "asks the user", watchword: "query state",
		why:  "RP-Initiated Logout §2: no user is signed in, so there is nothing to ask",
		what: []string{"logout: not signed in, back to the client"},
	},
	{
		peer: "asks the user", watchword: "query state",
		why:  "RP-Initiated Logout §2 allows it: the hint is of the signed-in user, who is not asked again",
		what: []string{"logout: own hint, back to the client"},
	},
	{
		peer: "page 400", watchword: "page 200",
		why:  "A hint that cannot be verified counts as none, so the user is asked: its key may have been removed",
		what: []string{"logout: hint that is no token"},
	},
}
