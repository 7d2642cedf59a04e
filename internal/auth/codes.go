package auth

// Code identifies a refusal for programs. Codes are a contract: they do not change, and
// docs/api.md lists all of them.
type Code string

// The codes of malformed values (400).
const (
	CodeAlgInvalid            Code = "alg_invalid"
	CodeAlgorithmUnknown      Code = "algorithm_unknown"
	CodeAuthInvalid           Code = "auth_invalid"
	CodeClientIDInvalid       Code = "client_id_invalid"
	CodeEmailInvalid          Code = "email_invalid"
	CodeEncryptionUnsupported Code = "encryption_unsupported"
	CodeExpiresInvalid        Code = "expires_invalid"
	CodeGrantInvalid          Code = "grant_invalid"
	CodeIDTokenClaimsInvalid  Code = "id_token_claims_invalid"
	CodeInvalidCode           Code = "invalid_code"
	CodeInvalidLink           Code = "invalid_link"
	CodeInvalidRedirectURI    Code = "invalid_redirect_uri"
	CodeInvalidRequest        Code = "invalid_request"
	CodeInvalidScope          Code = "invalid_scope"
	CodeInvalidTarget         Code = "invalid_target"
	CodeJWKSInvalid           Code = "jwks_invalid"
	CodeLocaleInvalid         Code = "locale_invalid"
	CodeLinkNotYetValid       Code = "link_not_yet_valid"
	CodeMalformedBody         Code = "malformed_body"
	CodeMalformedJSON         Code = "malformed_json"
	CodeMaxAgeInvalid         Code = "max_age_invalid"
	CodeMemberInvalid         Code = "member_invalid"
	CodeMemberMissing         Code = "member_missing"
	CodeMemberUnknown         Code = "member_unknown"
	CodeNameInvalid           Code = "name_invalid"
	CodeNameMissing           Code = "name_missing"
	CodeNameTooLong           Code = "name_too_long"
	CodeOverlapInvalid        Code = "overlap_invalid"
	CodeParameterInvalid      Code = "parameter_invalid"
	CodePasswordInvalid       Code = "password_invalid"
	CodePasswordRefused       Code = "password_refused"
	CodePasskeyRefused        Code = "passkey_refused"
	CodePasswordTooLong       Code = "password_too_long"
	CodePermissionInvalid     Code = "permission_invalid"
	CodePermissionReserved    Code = "permission_reserved"
	CodePictureInvalid        Code = "picture_invalid"
	CodePKCEInvalid           Code = "pkce_invalid"
	CodeRoleInvalid           Code = "role_invalid"
	CodeScopeInvalid          Code = "scope_invalid"
	CodeScopeMissing          Code = "scope_missing"
	CodeScopeReserved         Code = "scope_reserved"
	CodeSecondFactorInvalid   Code = "second_factor_invalid"
	CodeSectorInvalid         Code = "sector_invalid"
	CodeSettingsInvalid       Code = "settings_invalid"
	CodeSubjectTypeInvalid    Code = "subject_type_invalid"
	CodeTenantInvalid         Code = "tenant_invalid"
	CodeTextInvalid           Code = "text_invalid"
	CodeTokenFormatInvalid    Code = "token_format_invalid"
	CodeTokenTooLong          Code = "token_too_long"
	CodeTooMany               Code = "too_many"
	CodeTypeInvalid           Code = "type_invalid"
	CodeURIInvalid            Code = "uri_invalid"
	CodeUserCodeInvalid       Code = "user_code_invalid"
	CodeUsernameInvalid       Code = "username_invalid"
	CodeUsernameReserved      Code = "username_reserved"
	CodeUsesInvalid           Code = "uses_invalid"
)

// The codes of callers who are not authenticated (401).
const (
	CodeAccountDisabled     Code = "account_disabled"
	CodeAccountUnknown      Code = "account_unknown"
	CodeClientDisabled      Code = "client_disabled"
	CodeInvalidCredentials  Code = "invalid_credentials"
	CodeInvalidLoginToken   Code = "invalid_login_token"
	CodeInvalidMFAToken     Code = "invalid_mfa_token"
	CodeInvalidPasskey      Code = "invalid_passkey"
	CodeInvalidRefreshToken Code = "invalid_refresh_token"
	CodeInvalidToken        Code = "invalid_token"
	CodeMFARequired         Code = "mfa_required"
	CodeMissingToken        Code = "missing_token"
	CodePasskeyUnknown      Code = "passkey_unknown"
	CodeRefreshTokenReused  Code = "refresh_token_reused"
	CodeSessionInvalid      Code = "session_invalid"
	CodeStepUp              Code = "insufficient_user_authentication" // RFC 9470
	CodeTokenExpired        Code = "token_expired"
)

// The codes of callers who lack a permission (403).
const (
	CodeAccountLocked      Code = "account_locked"
	CodeClientNotAllowed   Code = "client_not_allowed"
	CodeCrossSite          Code = "cross_site"
	CodeEmailNotVerified   Code = "email_not_verified"
	CodeInsufficientScope  Code = "insufficient_scope"
	CodeNotAnAccount       Code = "not_an_account"
	CodeNotAnAdmin         Code = "not_an_admin"
	CodeRegistrationClosed Code = "registration_closed"
	CodeTenantDisabled     Code = "tenant_disabled"
	CodeWrongPassword      Code = "wrong_password"
)

// The codes of missing objects (404).
const (
	CodeClientUnknown  Code = "client_unknown"
	CodeConsentUnknown Code = "consent_unknown"
	CodeFlowOver       Code = "flow_over"
	CodeFactorUnknown  Code = "factor_unknown"
	CodeNotFound       Code = "not_found"
	CodeRoleUnknown    Code = "role_unknown"
)

// The codes of conflicts (409).
const (
	CodeChangedMeanwhile  Code = "changed_meanwhile"
	CodeClientBuiltIn     Code = "client_builtin"
	CodeClientChanged     Code = "client_changed"
	CodeEmailTaken        Code = "email_taken"
	CodeLastAdministrator Code = "last_administrator"
	CodeLastFactor        Code = "last_factor"
	CodeLastPasskey       Code = "last_passkey"
	CodeNoFactor          Code = "no_factor"
	CodeNoSecret          Code = "no_secret"
	CodePasskeyTaken      Code = "passkey_taken"
	CodePasskeysOff       Code = "passkeys_unavailable"
	CodePasswordNeeded    Code = "password_needed"
	CodeRightsTooLong     Code = "rights_too_long"
	CodeRoleBuiltIn       Code = "role_built_in"
	CodeRoleTaken         Code = "role_taken"
	CodeRotationPending   Code = "rotation_pending"
	CodeTenantTaken       Code = "tenant_taken"
	CodeTooManyFactors    Code = "too_many_factors"
	CodeUsernameTaken     Code = "username_taken"
)

// The codes of requests that are refused before their handler.
const (
	CodeBodyTooLarge         Code = "body_too_large"
	CodeForeignHost          Code = "foreign_host"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeTooManyHeaders       Code = "too_many_headers"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeURLTooLong           Code = "url_too_long"
)

// The codes of failures and delays (429, 500, 503).
const (
	CodeInternal    Code = "internal"
	CodeRateLimited Code = "rate_limited"
	CodeUnavailable Code = "unavailable"
)

// SessionInvalid refuses a caller whose session is unknown or has ended.
func SessionInvalid() *Error {
	return Refuse(KindUnauthenticated, CodeSessionInvalid, "sign in again")
}

// AccountNotFound refuses a request about an account that does not exist.
func AccountNotFound() *Error {
	return Refuse(KindNotFound, CodeNotFound, "account not found")
}

// TenantNotFound refuses a request about a tenant that does not exist.
func TenantNotFound() *Error {
	return Refuse(KindNotFound, CodeNotFound, "tenant not found")
}
